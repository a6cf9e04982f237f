"""Scenes: a file says what it means, mistakes are named, and a kill while storing costs nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from livedream.controls.patch import LFOS, SENSES, SHAPES
from livedream.errors import OutputError, UsageError
from livedream.files import replace_file
from livedream.performance.scenes import SCENE_SETTINGS, SHIPPED_DIR, Scenes, read_scene, scene_of
from livedream.settings import SPECS, Settings

ROOT = Path(__file__).resolve().parents[2]


def test_a_stored_scene_brings_the_settings_back(tmp_path):
    settings = Settings(layer="textures", channels="11,42", strength=1.4, mix="luminance", journey=True)
    path = Scenes(tmp_path).store(settings, "scene-3", 3)
    scene = Scenes(tmp_path).on_key(3)
    assert path.name == "scene-3.toml"
    assert scene.over(Settings(strength=3.0)) == settings
    assert not scene.problems


def test_a_scene_holds_only_what_it_is_about():
    scene = scene_of(Settings(steps=4, mirror=False, working_px=640, blackout=True), "a", "A")
    assert scene.settings == {"network": "dreamnet", "layer": "patterns", "steps": 4}
    assert not {"mirror", "rotate", "fit", "freeze", "blackout", "working_px"} & set(SCENE_SETTINGS)


def test_what_a_scene_does_not_name_is_at_its_default_but_for_the_network_and_the_place(tmp_path):
    (tmp_path / "a.toml").write_text("[settings]\nsteps = 4\n")
    base = Settings(network="bvlc_googlenet", strength=2.0, mirror=False, working_px=640)
    found = read_scene(tmp_path / "a.toml").over(base)
    assert (found.network, found.mirror, found.working_px) == ("bvlc_googlenet", False, 640)
    assert (found.steps, found.strength) == (4, 1.0)


@pytest.mark.parametrize("text", ['say "hi"', "back\\slash", "two\nlines", "ünïcode ☁", "\x00\x7f"])
def test_any_title_survives(tmp_path, text):
    scene = scene_of(Settings(), "a", text)
    (tmp_path / "a.toml").write_text(scene.text(), encoding="utf-8")
    assert read_scene(tmp_path / "a.toml").title == text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("stepz = 3", "stepz: unknown setting; possible: network"),
        ("steps = 300", "setting steps: invalid value 300: expected 0–20"),
        ('steps = "many"', "setting steps: invalid value 'many'"),
        ("strength = nan", "setting strength: invalid value nan"),
        ('mix = "under"', "expected over, dream, luminance, ink"),
        ("mirror = false", "mirror: belongs to the place"),
        ("strength = 1" + "0" * 400, "setting strength: invalid value 1000000"),
        ("steps = 0x" + "f" * 5000, "setting steps: invalid value an enormous int"),
        ("steps" + ".a" * 1200 + " = 1", "setting steps: invalid value an enormous dict"),
        ('"two\\nlines" = 1', r"'two\nlines': unknown setting"),
        ("\n".join(f"a{n} = 1" for n in range(2000)), "a0, a1, a2, a3, a4 and 1995 more: unknown setting"),
    ],
)
def test_a_mistake_in_a_scene_names_file_and_key_and_the_rest_works(tmp_path, line, said):
    path = tmp_path / "mine.toml"
    path.write_text(f'title = "Mine"\n[settings]\n{line}\njitter = 8\n')
    scene = read_scene(path)
    assert scene.settings == {"jitter": 8}
    (problem,) = scene.problems
    assert problem.startswith(f"scene {path}: ")
    assert "\n" not in problem
    assert len(problem) < len(str(path)) + 800
    assert said in problem


@pytest.mark.parametrize(
    "head",
    [
        'fade_s = "slow"',
        "fade_s = -1",
        "fade_s = 0x" + "f" * 5000,
        "key = 12",
        "key = true",
        "key = 0x" + "f" * 5000,
        "colour = 1",
        "title = 3",
    ],
)
def test_a_mistake_in_the_head_is_named_too(tmp_path, head):
    path = tmp_path / "mine.toml"
    path.write_text(f"{head}\n[settings]\njitter = 8\n")
    scene = read_scene(path)
    assert scene.settings == {"jitter": 8}
    assert head.split(" ")[0] in scene.problems[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not toml at all", "line 1"),
        (b"\xff\xfe\x00", "utf-8"),
        (b"[settings\n", "line 1"),
        (b"key = 7\nx = " + b"[" * 5000, "nested too deeply"),
        (b"key = 7\nsteps = " + b"9" * 5000, "digits"),
        (b"key = 7\n" + b"# wool\n" * 10_000, "more than 64 KiB"),
    ],
)
def test_a_file_that_is_no_scene_is_one_clear_error(tmp_path, content, said):
    (tmp_path / "mine.toml").write_bytes(content)
    with pytest.raises(UsageError, match=rf"mine.toml: cannot be read: .*{said}") as caught:
        Scenes(tmp_path).named("mine")
    assert "\n" not in str(caught.value)
    if content.startswith(b"key"):
        scene = Scenes(tmp_path).on_key(7)
        assert scene.name == "zoom"
        assert re.search(rf"{said}.*; zoom is used instead", scene.problems[0])


def test_settings_that_are_no_table_are_named(tmp_path):
    (tmp_path / "a.toml").write_text("settings = 3\n")
    assert "settings" in read_scene(tmp_path / "a.toml").problems[0]


def test_ones_own_scene_stands_before_a_shipped_one(tmp_path):
    (tmp_path / "attract.toml").write_text('title = "Mine"\n')
    assert Scenes(tmp_path).named("attract").title == "Mine"
    shipped = Scenes(tmp_path / "none").on_key(1)
    Scenes(tmp_path).store(Settings(), "scene-1", 1)
    assert Scenes(tmp_path).on_key(1).name == "scene-1" != shipped.name


@pytest.mark.parametrize(
    ("content", "moved"),
    [(b"\0" * 300, True), (b"\xff\xfe", True), (b"#" * 70_000, True), (b'title = "half', False)],
    ids=["zeros after a power cut", "no text", "large", "somebody is writing it"],
)
def test_the_shipped_scene_stands_in_for_a_damaged_one(tmp_path, content, moved):
    (tmp_path / "attract.toml").write_bytes(content)
    scene = Scenes(tmp_path).named("attract")
    assert scene.settings == read_scene(SHIPPED_DIR / "attract.toml").settings
    assert "attract.toml: cannot be read" in scene.problems[0]
    assert [path.name for path in tmp_path.iterdir()] == ["attract.toml"]
    assert (
        "; moved to attract.toml.damaged-" in Scenes(tmp_path).named("attract", tidy=True).problems[0]
    ) is moved
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == content
    assert Scenes(tmp_path).named("attract").problems == (() if moved else scene.problems)


def test_a_key_passes_over_what_is_no_file(tmp_path):
    (tmp_path / "aaa.toml").mkdir()
    assert Scenes(tmp_path).on_key(1).key == 1


def test_an_unknown_scene_is_refused_with_the_names_there_are(tmp_path):
    with pytest.raises(UsageError, match=r"unknown scene 'fog'; possible: .*attract"):
        Scenes(tmp_path).named("fog")


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="no folder"):
        Scenes(tmp_path / "file" / "scenes").store(Settings(), "scene-1", 1)


@pytest.mark.parametrize("path", sorted(SHIPPED_DIR.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_scene_is_without_mistakes(path):
    scene = read_scene(path)
    assert not scene.problems
    assert scene.title
    default = [n for n, v in scene.settings.items() if v == SPECS[n].default and n != "layer"]
    assert not default
    assert "network" not in scene.settings  # the words of its layers hold for each


_KILLING = """
import os, random, signal, sys, time, tomllib
from pathlib import Path
from livedream.performance.scenes import Scenes
from livedream.settings import Settings

scenes, chance = Scenes(Path(sys.argv[1])), random.Random(0)
path = scenes.store(Settings(steps=1, guide="x" * 50000), "scene-1", 1)
for kill in range(200):
    child = os.fork()
    while child == 0:  # stores for ever
        for steps in range(2, 20):
            scenes.store(Settings(steps=steps, guide="x" * 50000), "scene-1", 1)
    time.sleep(chance.uniform(0, 0.01))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with path.open("rb") as file:
        assert len(tomllib.load(file)["settings"]["guide"]) == 50000
print(*sorted(p.name for p in path.parent.iterdir()))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_scene_survives_200_kills_while_it_is_being_stored(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _KILLING, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "scene-1.toml"
    assert len(done.stdout.split()) <= 2  # at most one scrap


def test_nothing_is_left_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "a.toml"
    path.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        replace_file(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.toml"]
    assert path.read_text() == "old"


def test_a_list_has_the_scenes_on_keys_first_and_says_which_are_the_users(tmp_path):
    Scenes(tmp_path).store(Settings(), "mine", 0)
    (tmp_path / "broken.toml").write_text("[settings")
    titles = Scenes(tmp_path).titles()
    keys = [title.key for title in titles]
    assert keys[:9] == list(range(1, 10))
    assert {title.name for title in titles if title.own} == {"mine", "broken"}


def test_a_users_scene_can_be_renamed_and_deleted(tmp_path):
    scenes = Scenes(tmp_path)
    scenes.store(Settings(steps=5), "mine", 4)
    scenes.rename("mine", "red fog")
    assert "mine" not in scenes.paths()
    renamed = scenes.named("red fog")
    assert (renamed.title, renamed.key, renamed.settings["steps"]) == ("red fog", 4, 5)
    scenes.delete("red fog")
    assert "red fog" not in scenes.paths()


@pytest.mark.parametrize(
    ("name", "new", "said"),
    [
        ("nobody", "a", "unknown scene 'nobody'"),
        ("attract", "a", "comes with livedream"),
        ("mine", "other", "there is a scene 'other' already"),
        ("mine", "../a", "invalid scene name"),
    ],
)
def test_an_impossible_renaming_is_refused(tmp_path, name, new, said):
    scenes = Scenes(tmp_path)
    for own in ("mine", "other"):
        scenes.store(Settings(), own)
    with pytest.raises(UsageError, match=said):
        scenes.rename(name, new)
    assert {"mine", "other"} <= set(scenes.paths())


PULSE = """title = "Pulse"
fade_s = 2.0

[settings]
layer = "edges"

[[modulation]]
source = "beat"
setting = "zoom"
amount = 0.25

[[modulation]]
source = "lfo1"
setting = "strength"
amount = 0.2
release_s = 0.5

[lfo.1]
shape = "triangle"
beats = 8.0
"""


def test_a_scene_keeps_its_modulation(tmp_path):
    (tmp_path / "pulse.toml").write_text(PULSE)
    scene = read_scene(tmp_path / "pulse.toml")
    assert scene.problems == ()
    assert scene.text() == PULSE
    assert scene.patch.lfo("lfo1").beats == 8
    path = Scenes(tmp_path).store(Settings(), "copy", patch=scene.patch)
    assert read_scene(path).patch == scene.patch


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modulation = 3", "modulation: invalid value 3: expected tables [[modulation]]"),
        ("modulation = [3]", "modulation 1: invalid value 3: expected a table"),
        ('[[modulation]]\nsource = "sun"\nsetting = "zoom"', "modulation 1: source: invalid value 'sun'"),
        ('[[modulation]]\nsource = "beat"', "modulation 1: setting: invalid value ''"),
        ('[[modulation]]\nsource = "beat"\nsetting = "zoom"\nsize = 3', "modulation 1: size: unknown"),
        ("lfo = 3", "lfo: invalid value 3: expected tables such as [lfo.1]"),
        ('[lfo.9]\nshape = "sine"', "unknown LFO '9'; possible: [lfo.1] to [lfo.8]"),
        ('[lfo.1]\nshape = "round"', "lfo 1: shape: invalid value 'round': expected sine, triangle"),
        ("[lfo.1]\nperiod_s = 0", "lfo 1: period_s: invalid value 0: expected 0.1–86400 s"),
        ("[[modulation]]\n" * 40, "modulation: found 40, expected 32 at most"),
    ],
)
def test_a_mistake_in_a_scenes_modulation_is_said_and_the_rest_is_used(tmp_path, text, said):
    (tmp_path / "bad.toml").write_text(f'title = "Bad"\n{text}\n')
    scene = read_scene(tmp_path / "bad.toml")
    assert scene.title == "Bad"
    assert any(said in problem for problem in scene.problems), scene.problems


def test_the_documentations_example_of_modulation_is_a_scene_and_its_table_has_every_source(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "modulation.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.S)
    (tmp_path / "pulse.toml").write_text(example)
    scene = read_scene(tmp_path / "pulse.toml")
    assert scene.problems == ()
    assert len(scene.patch.modulations) == 3
    table = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", page, re.M))))
    assert {*SENSES, LFOS[0], LFOS[-1]} <= table
    assert all(shape in page for shape in SHAPES)
