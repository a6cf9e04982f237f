"""The camera: what is requested from the driver, how frames are converted, which errors are reported."""

import logging
import sys

import cv2
import numpy as np
import pytest

from livedream.errors import SourceError
from livedream.sources import camera as camera_module
from livedream.sources.camera import Camera, CameraInfo, linux_cameras
from tests.sources.cameras import FakeCapture


def test_frames_are_rgb_and_stamped_when_grabbed(picture, clock):
    capture = FakeCapture(picture)
    with Camera("0", capture=lambda device: capture, clock=clock) as camera:
        assert (camera.name, camera.kind, camera.fps, camera.size) == ("camera 0", "camera", 30.0, (160, 120))
        first = next(camera)
        clock.now += 0.04
        second = next(camera)
        assert np.array_equal(second.image, capture._shown[..., ::-1])
    assert (first.index, second.index) == (0, 1)
    assert (first.time_s, second.time_s) == (1000.0, 1000.04)
    assert second.image.flags.c_contiguous


def test_it_requests_motion_jpeg_first_and_logs_the_actual_format(picture, caplog):
    capture = FakeCapture(picture)
    with caplog.at_level(logging.INFO):
        Camera("1", width=1920, height=1080, fps=60, capture=lambda device: capture).close()
    assert next(iter(capture.asked.items())) == (
        cv2.CAP_PROP_FOURCC,
        cv2.VideoWriter.fourcc(*"MJPG"),
    )
    assert capture.asked[cv2.CAP_PROP_BUFFERSIZE] == 1
    assert "camera 1: requested 1920×1080 MJPG at 60 fps, got 160×120 YUYV at 30 fps" in caplog.text


def test_the_grey_of_an_infrared_camera_becomes_rgb(picture):
    capture = FakeCapture(picture)
    capture.retrieve = lambda: (True, picture[..., 0])
    with Camera("0", capture=lambda device: capture) as camera:
        assert next(camera).image.shape == (120, 160, 3)


@pytest.mark.parametrize("broken", [{"opened": False}, {"gives": 0}])
def test_a_camera_without_a_frame_is_released_and_reported(picture, broken):
    capture = FakeCapture(picture, **broken)
    with pytest.raises(SourceError, match=r"camera '0' .*; .*possible: .*clouds"):
        Camera("0", capture=lambda device: capture)
    assert capture.released == 1


def test_an_unplugged_camera_is_an_error_and_repeats_no_old_frame(picture):
    capture = FakeCapture(picture, gives=3)
    with Camera("0", capture=lambda device: capture) as camera:
        for _ in range(3):
            next(camera)
        with pytest.raises(SourceError, match="delivers no frame"):
            next(camera)
    camera.close()
    assert capture.released == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device nodes are Linux's")
def test_a_missing_camera_is_one_line_with_the_cameras_found(monkeypatch, capfd):
    info = CameraInfo("/dev/v4l/by-id/usb-Good_Cam", "Good Cam")
    monkeypatch.setattr(camera_module, "list_cameras", lambda: [info])
    with pytest.raises(SourceError) as caught:
        Camera("9876")
    assert str(caught.value) == (
        "camera '9876': '/dev/video9876' does not exist; cameras found:"
        " /dev/v4l/by-id/usb-Good_Cam (Good Cam); possible: one of these, or clouds"
    )
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device nodes are Linux's")
def test_the_message_quotes_only_a_part_of_a_long_name(monkeypatch):
    monkeypatch.setattr(camera_module, "list_cameras", list)
    for device in ("/dev/" + "x" * 5000, "9" * 3000):
        with pytest.raises(SourceError) as caught:
            Camera(device)
        assert len(str(caught.value)) < 250


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device nodes are Linux's")
def test_opencv_stays_quiet_about_a_device_that_is_not_a_camera(tmp_path, capfd):
    with pytest.raises(SourceError, match="cannot be opened"):
        Camera("/dev/null")
    assert capfd.readouterr().err == ""


def test_cameras_are_listed_by_persistent_names_without_metadata_nodes(tmp_path):
    sysfs, by_id, dev = tmp_path / "sys", tmp_path / "by-id", tmp_path / "dev"
    for folder in (sysfs, by_id, dev):
        folder.mkdir()
    for number, (name, index) in enumerate([("Good Cam", 0), ("Good Cam", 1), ("Old Cam", 0)]):
        node = sysfs / f"video{number}"
        node.mkdir()
        (node / "name").write_text(name + "\n")
        (node / "index").write_text(f"{index}\n")
        (dev / f"video{number}").touch()
    (sysfs / "video10").mkdir()  # unplugged meanwhile: empty
    (by_id / "usb-Good_Cam").symlink_to(dev / "video0")
    assert linux_cameras(sysfs, by_id) == [
        CameraInfo(str(by_id / "usb-Good_Cam"), "Good Cam"),
        CameraInfo("/dev/video2", "Old Cam"),
    ]
    assert linux_cameras(tmp_path / "none", tmp_path / "none") == []
