"""The user's own folders: where they are, and the error when they cannot be written to."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from livedream import places
from livedream.errors import OutputError

FOLDERS = (
    places.scenes_dir,
    places.networks_dir,
    places.graphs_dir,
    places.downloads_dir,
    places.measured_dir,
)


def test_each_is_where_the_system_keeps_such_things(monkeypatch):
    monkeypatch.delenv("LIVEDREAM_HOME")
    systems = ("config", "data", "cache", "cache", "cache")
    for folder, system in zip(FOLDERS, systems, strict=True):
        assert folder().parent == Path(getattr(platformdirs, f"user_{system}_dir")("livedream", False))
    assert len({folder() for folder in FOLDERS}) == len(FOLDERS)


@pytest.mark.parametrize("named", ["{}", "{}/../home", "relative"])
def test_one_variable_moves_all_of_them(named, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    home = named.format(tmp_path / "home")
    monkeypatch.setenv("LIVEDREAM_HOME", home)
    assert {folder().parent for folder in FOLDERS} == {Path(home).absolute()}


def test_an_empty_variable_moves_nothing(monkeypatch):
    monkeypatch.delenv("LIVEDREAM_HOME")
    before = [folder() for folder in FOLDERS]
    monkeypatch.setenv("LIVEDREAM_HOME", "")
    assert [folder() for folder in FOLDERS] == before


def test_asking_creates_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path / "home"))
    assert all(places.can_be_written(folder()) for folder in FOLDERS)
    assert not (tmp_path / "home").exists()
    assert places.create(places.graphs_dir()).is_dir()
    places.create(places.graphs_dir())


def test_a_folder_that_cannot_be_written_to_is_named_with_the_way_out(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path / "file"))
    for folder in FOLDERS:
        assert not places.can_be_written(folder())
        with pytest.raises(OutputError, match=rf"{folder()}: .*; possible: .*LIVEDREAM_HOME=") as caught:
            places.create(folder())
        assert "\n" not in str(caught.value)
