"""The camera: what is requested from the driver, how frames are converted, which errors are reported."""

import logging
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from livedream.errors import SourceError
from livedream.sources.camera import Camera
from livedream.sources.devices import CameraInfo, Finder
from livedream.sources.source import AbsentError
from tests.sources.cameras import PLUGGED, FakeCapture


def test_frames_are_rgb_and_stamped_when_grabbed(picture, clock):
    capture = FakeCapture(picture)
    with Camera("0", finder=PLUGGED, capture=lambda device: capture, clock=clock) as camera:
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
        Camera("1", finder=PLUGGED, width=1920, height=1080, fps=60, capture=lambda device: capture).close()
    assert next(iter(capture.asked.items())) == (
        cv2.CAP_PROP_FOURCC,
        cv2.VideoWriter.fourcc(*"MJPG"),
    )
    assert capture.asked[cv2.CAP_PROP_BUFFERSIZE] == 1
    assert "camera 0: requested 1920×1080 MJPG at 60 fps, got 160×120 YUYV at 30 fps" in caplog.text


def test_the_grey_of_an_infrared_camera_becomes_rgb(picture):
    capture = FakeCapture(picture)
    capture.retrieve = lambda: (True, picture[..., 0])
    with Camera("0", finder=PLUGGED, capture=lambda device: capture) as camera:
        assert next(camera).image.shape == (120, 160, 3)


@pytest.mark.parametrize("broken", [{"opened": False}, {"gives": 0}])
def test_a_camera_without_a_frame_is_released_and_reported(picture, broken):
    capture = FakeCapture(picture, **broken)
    with pytest.raises(SourceError, match=r"camera '0' .*; .*possible: .*clouds"):
        Camera("0", finder=PLUGGED, capture=lambda device: capture)
    assert capture.released == 1


def test_an_unplugged_camera_is_an_error_and_repeats_no_old_frame(picture):
    capture = FakeCapture(picture, gives=3)
    with Camera("0", finder=PLUGGED, capture=lambda device: capture) as camera:
        for _ in range(3):
            next(camera)
        with pytest.raises(SourceError, match="delivers no frame"):
            next(camera)
    camera.close()
    assert capture.released == 1


@pytest.mark.parametrize("bad", ["no image", "empty", "16 bit"])
def test_a_damaged_frame_is_skipped_and_the_camera_kept(picture, bad, clock):
    capture = FakeCapture(picture)
    images = {
        "no image": (False, None),
        "empty": (True, picture[:0]),
        "16 bit": (True, picture.astype(np.uint16)),
    }
    answers = iter([(True, picture), images[bad], images[bad], (True, picture)])
    capture.retrieve = lambda: next(answers)
    with Camera("0", finder=PLUGGED, capture=lambda device: capture, clock=clock) as camera:
        assert [next(camera).index, next(camera).index] == [0, 1]
    assert capture.released == 1


def test_a_camera_of_nothing_but_damaged_frames_fails(picture, clock):
    capture = FakeCapture(picture)
    with Camera("0", finder=PLUGGED, capture=lambda device: capture, clock=clock) as camera:
        next(camera)
        grab = capture.grab
        capture.grab = lambda: clock.sleep(0.3) or grab()
        capture.retrieve = lambda: (False, None)
        with pytest.raises(SourceError, match="delivers no frame"):
            next(camera)


def test_frames_may_change_their_size_at_any_time(picture):
    capture = FakeCapture(picture)
    with Camera("0", finder=PLUGGED, capture=lambda device: capture) as camera:
        next(camera)
        for shape in ((720, 1280, 3), (1, 1, 3), (3000, 5000, 3), (64, 48), (48, 64, 4), (120, 160, 3)):
            capture.retrieve = lambda shape=shape: (True, np.full(shape, 90, np.uint8))
            image = next(camera).image
            assert image.shape == ((2230, 3718, 3) if shape[0] == 3000 else (*shape[:2], 3))


def test_a_driver_that_repeats_its_last_frame_after_an_unplug_is_found_out(picture, tmp_path, clock):
    node = tmp_path / "video0"
    node.touch()
    finder = SimpleNamespace(find=lambda: CameraInfo(str(node), "C920"))
    capture = FakeCapture(picture, gives=3, then="freeze")
    with Camera("0", finder=finder, capture=lambda device: capture, clock=clock) as camera:
        assert camera.name == "C920"
        for _ in range(9):
            next(camera)
        node.unlink()
        clock.now += 0.5
        with pytest.raises(AbsentError, match="not there any more"):
            next(camera)


def test_a_missing_camera_is_one_line_with_the_cameras_found(capfd):
    info = CameraInfo("/dev/video2", "Good Cam", "046d:0825", by_id="/dev/v4l/by-id/usb-Good_Cam")
    with pytest.raises(AbsentError) as caught:
        Camera("camera:C920", finder=Finder("camera:C920", cameras=lambda: [info]))
    assert str(caught.value) == (
        "camera 'camera:C920' is not there; cameras found: /dev/v4l/by-id/usb-Good_Cam (Good Cam);"
        " possible: one of these, or clouds"
    )
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device nodes are Linux's")
def test_the_message_quotes_only_a_part_of_a_long_name():
    for device in ("/dev/" + "x" * 5000, "9" * 3000, "camera:" + "x" * 5000):
        with pytest.raises(SourceError) as caught:
            Camera(device, finder=Finder(device, cameras=list))
        assert len(str(caught.value)) < 250


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device nodes are Linux's")
def test_opencv_stays_quiet_about_a_device_that_is_not_a_camera(tmp_path, capfd):
    with pytest.raises(SourceError, match="cannot be opened"):
        Camera("/dev/null")
    assert capfd.readouterr().err == ""
