"""Names for recordings and snapshots on disks that go away: one line each, whatever the system says."""

from __future__ import annotations

import shutil

import pytest

from livedream import files
from livedream.errors import OutputError
from livedream.show.saving import Saving
from livedream.sinks.encoding import Encoding


@pytest.fixture
def no_folder(tmp_path, monkeypatch):
    """The folder that the command was started in is gone, as with a stick that was pulled out."""
    folder = tmp_path / "stick"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    yield
    monkeypatch.chdir(tmp_path)


def test_a_folder_that_is_gone_is_one_line(no_folder):
    with pytest.raises(OutputError, match="cannot write to the folder 'snapshots'"):
        Saving().snapshot_path()
    with pytest.raises(OutputError, match="cannot write to the folder 'recordings'"):
        Saving().recorder(Encoding())


def test_a_folder_that_cannot_be_looked_into_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("livedream.show.saving.automatic_path", forbidden)
    with pytest.raises(OutputError, match="Permission denied"):
        Saving().snapshot_path()


def test_a_disk_that_goes_away_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def gone(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", gone)
    with pytest.raises(OutputError, match="Input/output error"):
        Saving().snapshot_path()
    with pytest.raises(OutputError, match="cannot write"):
        files.require_room(tmp_path / "a.png", 1)


def test_no_name_is_given_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saving = Saving()
    assert len({saving.snapshot_path() for _ in range(3)}) == 3
