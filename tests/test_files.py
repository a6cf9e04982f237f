"""Outputs overwrite nothing by accident."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livedream.errors import OutputError, UsageError
from livedream.files import require_different, require_writable


def test_a_file_in_a_folder_may_be_written(tmp_path):
    require_writable(tmp_path / "new.mp4")
    (tmp_path / "old.mp4").touch()
    require_writable(tmp_path / "old.mp4")


def test_a_folder_and_a_file_in_a_missing_folder_are_refused(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        require_writable(tmp_path / "none" / "a.mp4")
    with pytest.raises(OutputError, match="it is a folder"):
        require_writable(tmp_path)


def test_the_source_is_not_overwritten_under_any_name(tmp_path):
    video = tmp_path / "video.mp4"
    video.touch()
    (tmp_path / "link.mp4").symlink_to(video)
    for output in (video, tmp_path / "link.mp4", tmp_path / "." / "video.mp4"):
        with pytest.raises(UsageError, match="would overwrite"):
            require_different(str(video), output)


def test_outputs_differ_from_each_other(tmp_path):
    require_different("clouds", tmp_path / "a.mp4", None, tmp_path / "a.png")
    with pytest.raises(UsageError, match="would overwrite"):
        require_different("clouds", tmp_path / "a.mp4", None, tmp_path / "a.mp4")


@pytest.mark.skipif(
    not os.path.isdir("/sys/kernel"), reason="needs a folder in which nobody may create files"
)
def test_a_folder_that_refuses_new_files_is_refused_at_once_even_for_root():
    with pytest.raises(OutputError, match=r"cannot write '/sys/kernel/a\.mp4': .*possible: another folder"):
        require_writable(Path("/sys/kernel/a.mp4"))


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    long = Path("x" * 5000)
    require_different("x" * 5000, tmp_path / "a.mp4")
    require_different(str(tmp_path), long)
    for path in (long, long / "a.mp4"):
        with pytest.raises(OutputError, match="cannot write 'xxx"):
            require_writable(path)


def test_checking_leaves_nothing_behind(tmp_path):
    require_writable(tmp_path / "new.mp4")
    assert not list(tmp_path.iterdir())
