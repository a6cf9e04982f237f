"""Snapshots: exact pixels, the settings in them, whole or not at all."""

import os

import numpy as np
import pytest
from PIL import Image as Pillow

from livedream.errors import OutputError, UsageError
from livedream.settings import Settings
from livedream.sinks.snapshot import read_snapshot_settings, save_snapshot, save_snapshot_later

IMAGE = np.random.default_rng(0).integers(0, 256, (36, 64, 3), np.uint8)


def test_it_keeps_every_pixel_and_every_setting(tmp_path):
    settings = Settings(steps=5, layer="patterns")
    path = save_snapshot(tmp_path / "dream.png", IMAGE, settings.as_dict())
    with Pillow.open(path) as picture:
        assert (np.asarray(picture) == IMAGE).all()
        assert "layer patterns" in picture.info["Description"]
    assert Settings.from_dict(read_snapshot_settings(path)) == settings


def test_settings_may_hold_any_letters(tmp_path):
    path = save_snapshot(tmp_path / "a.png", IMAGE, {"source": "Käfer – 空.mp4"})
    assert read_snapshot_settings(path) == {"source": "Käfer – 空.mp4"}


def test_nothing_but_the_snapshot_is_left_behind(tmp_path):
    save_snapshot(tmp_path / "a.png", IMAGE, {})
    save_snapshot(tmp_path / "a.png", IMAGE, {})
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write the snapshot .*possible"):
        save_snapshot(tmp_path / "nowhere" / "a.png", IMAGE, {})


def test_a_failed_snapshot_leaves_the_old_one(tmp_path, monkeypatch):
    path = save_snapshot(tmp_path / "a.png", IMAGE, {"steps": 1})

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Pillow.Image, "save", full)
    with pytest.raises(OutputError, match="No space left"):
        save_snapshot(path, IMAGE, {"steps": 2})
    assert read_snapshot_settings(path) == {"steps": 1}
    assert os.listdir(tmp_path) == ["a.png"]


def test_later_has_its_own_copy_of_the_picture(tmp_path):
    image = IMAGE.copy()
    future = save_snapshot_later(tmp_path / "a.png", image, {})
    image[:] = 0
    with Pillow.open(future.result(timeout=30)) as picture:
        assert (np.asarray(picture) == IMAGE).all()


def test_later_hands_over_the_error(tmp_path):
    future = save_snapshot_later(tmp_path / "nowhere" / "a.png", IMAGE, {})
    assert isinstance(future.exception(timeout=30), OutputError)


def test_a_picture_without_settings_says_so(tmp_path):
    Pillow.fromarray(IMAGE).save(tmp_path / "plain.png")
    with pytest.raises(UsageError, match="contains no livedream settings"):
        read_snapshot_settings(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UsageError, match="possible: a snapshot saved"):
        read_snapshot_settings(tmp_path / "text.png")
