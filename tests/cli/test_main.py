"""The command line: flags from the settings' fields, and help that a person can read."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from livedream.cli.main import main
from livedream.settings import SPECS

RENDER_UNUSED = ("render", "a.png", "b.png", "--set", "rotate=90")
CLASSIC_UNUSED = ("render", "a.png", "b.png", "--classic", "--steps", "3")
ROOT = Path(__file__).resolve().parents[2]


def live(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "live.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


def test_every_setting_is_a_flag_with_help():
    text = live("--help").stdout
    for spec in SPECS.values():
        assert spec.flag in text
    assert "--set NAME=VALUE" in text
    assert all(f"\nsettings of the {group}:\n" in text for group in ("dream", "picture", "show"))
    assert "default: ;" not in text  # nothing is said of a default that is nothing


def test_render_has_the_flags_of_what_it_uses():
    text = live("render", "--help").stdout
    assert all(flag in text for flag in ("--steps", "--layer", "--strength", "--classic"))
    assert not any(flag in text for flag in ("--rotate", "--blackout", "--dream-rate-hz"))


def test_the_mirrors_help_names_the_other_commands():
    text = live("--help").stdout
    assert all(f"livedream {name}" in text for name in ("render", "models list", "doctor"))


def test_the_version_is_that_of_the_project():
    with (ROOT / "pyproject.toml").open("rb") as file:
        expected = tomllib.load(file)["project"]["version"]
    assert live("--version").stdout == f"livedream {expected}\n"


def test_models_list_names_networks_and_layers():
    text = live("models", "list").stdout
    assert all(name in text for name in ("dreamnet", "bvlc_googlenet", "vgg16", "resnet34"))
    text = live("models", "list", "vgg16").stdout
    assert all(name in text for name in ("features.22", "conv4_3", "textures", "BSD", "0.229"))


def test_the_list_of_scenes_goes_on_after_files_that_are_none(tmp_path):
    (tmp_path / "deep.toml").write_text("x = " + "[" * 5000)
    (tmp_path / "long.toml").write_text("x = " + "9" * 5000)
    (tmp_path / "fog.toml").write_text('title = "Fog"\n[settings]\nstrength = 1' + "0" * 400)
    result = live("scenes", "list", "--scenes", str(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    assert "deep.toml: cannot be read: it is nested too deeply\n" in result.stdout
    assert "long.toml: cannot be read" in result.stdout
    assert "setting strength: invalid value 1000" in result.stdout
    assert "attract" in result.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("render",),
        ("models", "eat"),
        ("models", "list", "vit_b_16"),
        ("doctor", "who"),
        ("--size", "big"),
        ("--frames", "0"),
        ("--snapshot", "a.jpg"),
        ("--steps", "4000"),
        RENDER_UNUSED,
        CLASSIC_UNUSED,
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_line(words):
    result = live(*words)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("livedream: ")


MIRROR = ("--headless", "--source", "clouds", "--frames", "1")
RENDER = ("render", "clouds", "a.mp4", "--frames", "1")


@pytest.mark.parametrize(
    ("command", "given", "found"),
    [
        (MIRROR, "/none", "no such folder"),
        (RENDER, "/none", "no such folder"),
        (("scenes", "list"), "/none", "no such folder"),
        (("scenes", "list"), "", "no such folder"),
        (("scenes", "list"), "x" * 5000, "no such folder"),
        (("scenes", "list"), __file__, "a file"),
    ],
)
def test_a_folder_of_scenes_that_is_none_is_refused(command, given, found, tmp_path):
    result = live(*command, "--scenes", given, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("livedream: argument --scenes: '")
    assert f": found {found}; expected an existing folder" in result.stderr
    assert len(result.stderr) < 300


@pytest.mark.parametrize("command", [MIRROR, RENDER])
def test_a_scene_without_a_name_is_refused(command, tmp_path):
    result = live(*command, "--scene", "", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("livedream: unknown scene ''; possible: attract, ")
    assert result.stderr.count("\n") == 1
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--audio", "default"], "--audio default needs the package sounddevice"),
        (
            ["--link"],
            "--link needs the package aalink, which is not installed; to add it: uv sync --extra link",
        ),
        (["--audio", "x" * 5000], "needs the package sounddevice"),
        (["--audio", ""], "--audio '': expected default, an input's name or number, or a sound file"),
        (["--cues", "nowhere.toml"], "cue list nowhere.toml: cannot be read"),
    ],
)
def test_what_a_set_needs_is_looked_for_before_anything_starts(words, said, monkeypatch, capsys):
    monkeypatch.setattr("livedream.extras.installed", lambda package: False)
    assert main(["--headless", *words]) != 0
    assert said in capsys.readouterr().err
