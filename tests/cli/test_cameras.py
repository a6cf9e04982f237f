"""The doctor lists cameras with what to copy, and what their controls may be."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from livedream.cli import cameras
from livedream.errors import UsageError
from livedream.sources.devices import CameraInfo
from livedream.sources.v4l2 import Controls
from tests.sources.test_v4l2 import Driver


def test_a_camera_is_listed_with_the_source_to_copy(monkeypatch):
    info = CameraInfo("/dev/video2", "C920", "046d:082d", "8F2B", "1-2", by_id="/dev/v4l/by-id/usb-C920_8F2B")
    monkeypatch.setattr(cameras, "list_cameras", lambda: [info])
    found = "C920, /dev/video2, USB 046d:082d, serial number 8F2B: --source /dev/v4l/by-id/usb-C920_8F2B"
    assert next(cameras.camera_report()) == ("ok", "camera", found, "")


def test_the_controls_of_a_camera_are_listed_for_camera_set(monkeypatch, tmp_path):
    node = tmp_path / "video0"
    node.touch()
    found = SimpleNamespace(find=lambda: CameraInfo(str(node), "C920"))
    monkeypatch.setattr(cameras, "Finder", lambda spec: found)
    assert list(cameras.control_report("0"))[-1][:3] == ("--", "control", "none")
    monkeypatch.setattr(cameras, "Controls", lambda path: Controls(path, ioctl=Driver()))
    camera, *controls = (text for _, _, text, _ in cameras.control_report("0"))
    assert camera == f"C920, {node}"
    assert controls[0] == "brightness=0: -64–64, normally 0"
    exposure = "1 (Manual Mode), 3 (Aperture Priority Mode), normally 3, an automatic"
    assert controls[4] == f"auto_exposure=3: {exposure}"
    with pytest.raises(UsageError, match=r"'clouds' is no camera; possible: 0"):
        list(cameras.control_report("clouds"))
