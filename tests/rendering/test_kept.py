"""The folder of finished shots: what is whole is taken, what is another render's is refused."""

from __future__ import annotations

import pytest

from livedream.errors import UsageError
from livedream.rendering.kept import Kept

RENDER = {"layer": "patterns", "input": "abc"}


def test_the_same_render_goes_on_with_what_was_kept(tmp_path):
    Kept(tmp_path / "out.mp4", RENDER).keep({"1.mp4": b"one", "1-tail.npz": b"tail"})
    kept = Kept(tmp_path / "out.mp4", RENDER)
    assert kept.has("1.mp4")
    assert kept.has("1-tail.npz")
    assert not kept.has("2.mp4")
    assert kept.read("1.mp4") == b"one"


def test_a_file_that_changed_is_not_taken(tmp_path):
    kept = Kept(tmp_path / "out.mp4", RENDER)
    kept.keep({"1.mp4": b"one"})
    kept.path("1.mp4").write_bytes(b"on")
    assert not Kept(tmp_path / "out.mp4", RENDER).has("1.mp4")


def test_a_file_that_was_never_finished_is_not_taken(tmp_path):
    kept = Kept(tmp_path / "out.mp4", RENDER)
    kept.path("1.mp4").write_bytes(b"one")
    assert not kept.has("1.mp4")


def test_shots_of_another_render_are_refused_and_left_alone(tmp_path):
    Kept(tmp_path / "out.mp4", RENDER).keep({"1.mp4": b"one"})
    with pytest.raises(UsageError, match=r"out\.mp4\.parts.*layer 'patterns', now 'eyes'.*possible"):
        Kept(tmp_path / "out.mp4", {**RENDER, "layer": "eyes"})
    assert Kept(tmp_path / "out.mp4", RENDER).has("1.mp4")


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path):
    folder = tmp_path / "out.mp4.parts"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="is not a folder of finished shots"):
        Kept(tmp_path / "out.mp4", RENDER)
    assert (folder / "letter.txt").read_text() == "dear"


def test_a_finished_render_leaves_no_folder(tmp_path):
    kept = Kept(tmp_path / "out.mp4", RENDER)
    kept.keep({"1.mp4": b"one"})
    kept.remove()
    assert not list(tmp_path.iterdir())
