"""The wheel: what is in it, and that it runs by itself, from another folder and without the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
LARGEST_BYTES = 30_000_000
#: As small a mirror as there can be: what is tested is that its parts are found.
SMALL = ("--working-px", "96", "--size", "160x90", "--layer", "edges")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built with what is installed: nothing is downloaded."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def scripts(wheel, tmp_path_factory):
    """The scripts folder of a fresh environment where the wheel is installed.

    It finds the dependencies where this environment has them, but not this environment's own livedream: a
    ``.pth`` file is not followed from another one.
    """
    if shutil.which("uv") is None:
        pytest.skip("needs uv to install the wheel")
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    variables = {"base": str(home), "platbase": str(home)}
    folders = sysconfig.get_paths(sysconfig.get_preferred_scheme("prefix"), variables)
    python = Path(folders["scripts"], Path(sys.executable).name)
    install = ["uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel]
    subprocess.run(install, check=True)
    Path(folders["purelib"], "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


@pytest.fixture
def livedream(scripts, tmp_path):
    """Runs the installed command in an empty folder, with a home of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["LIVEDREAM_HOME"] = str(tmp_path / "home")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [scripts / "livedream", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return run


@pytest.fixture
def package(scripts):
    """The folder of the installed package."""
    code = "import livedream; print(livedream.__path__[0])"
    command = [scripts / Path(sys.executable).name, "-c", code]
    return Path(subprocess.run(command, cwd=scripts, capture_output=True, text=True).stdout.strip())


@pytest.fixture
def damage(package):
    """Replaces a file of the installed package until the test ends."""
    content = {}

    def replace(name: str, damaged: bytes) -> None:
        content[name] = (package / name).read_bytes()
        (package / name).write_bytes(damaged)

    yield replace
    for name, before in content.items():
        (package / name).write_bytes(before)


def test_the_wheel_is_small_and_holds_all_that_is_needed_and_nothing_else(wheel):
    assert wheel.stat().st_size <= LARGEST_BYTES
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    data = {"dreamnet.safetensors", "dreamnet.json", "photograph.jpg"}
    folders = (ROOT / "models" / "graphs", ROOT / "models" / "words")
    data |= {path.relative_to(ROOT / "models").as_posix() for folder in folders for path in folder.iterdir()}
    assert {f"livedream/data/models/{name}" for name in data} <= names
    for pattern in (
        "**/*.py",
        "**/*.toml",
        "**/*.txt",
        "**/*.json",
        "**/*.html",
        "**/*.js",
        "**/*.css",
        "**/*.svg",
        "py.typed",
    ):
        files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "livedream").glob(pattern)}
        assert files
        assert files <= names
    assert {name.split("/")[0] for name in names} == {"livedream", f"livedream-{VERSION}.dist-info"}


def test_the_installed_command_knows_its_version_and_finds_its_scenes(livedream, package):
    assert not package.is_relative_to(ROOT)
    assert livedream("--version").stdout == f"livedream {VERSION}\n"
    listed = livedream("scenes", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    for path in (ROOT / "livedream" / "data" / "scenes").glob("*.toml"):
        assert f" {path.stem} " in listed.stdout


def test_the_installed_doctor_finds_the_shipped_network_and_the_users_folders(livedream, package, tmp_path):
    said = livedream("doctor").stdout
    assert f"network    dreamnet: {package / 'data' / 'models' / 'dreamnet.safetensors'}" in said
    assert f"your scenes: {tmp_path / 'home' / 'scenes'}\n" in said
    assert "packages   missing" not in said


def test_the_installed_mirror_dreams(livedream, tmp_path):
    words = ("--headless", "--source", "clouds", "--frames", "10", "--stats", "s.json", "--port", "8473")
    result = livedream(*words, *SMALL)
    assert result.returncode == 0, result.stderr
    stats = json.loads((tmp_path / "s.json").read_text())
    assert (stats["network"], stats["frames"]) == ("dreamnet", 10)
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]


@pytest.mark.parametrize(
    ("file", "words", "says"),
    [
        ("networks/catalogue.toml", ("models", "list"), "catalogue.toml is damaged"),
        ("data/models/dreamnet.safetensors", ("--headless",), "dreamnet.safetensors are damaged"),
    ],
)
def test_without_a_file_that_it_needs_it_ends_with_one_clear_line(livedream, damage, file, words, says):
    damage(file, b"[damaged")
    result = livedream(*words)
    assert result.returncode == 1
    assert result.stderr.startswith("livedream: ")
    assert says in result.stderr
    assert "install livedream again" in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_torchvisions_table_the_main_networks_are_left(livedream, damage):
    damage("networks/classifiers.json", b"{damaged")
    result = livedream("models", "list")
    assert result.returncode == 0
    assert "classifiers.json is damaged" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "dreamnet" in result.stdout


def test_a_damaged_scene_is_reported_and_the_others_stay(livedream, damage):
    damage("data/scenes/fur.toml", b"[damaged")
    result = livedream("scenes", "list")
    assert result.returncode == 0
    assert "fur.toml: cannot be read" in result.stdout
    assert "garden" in result.stdout
