"""Virtual camera, Spout and Syphon against their libraries' interfaces; NDI with its own, if it is installed.

None of the first three was tried on the real thing.
"""

import json
import subprocess
import sys
import types
from contextlib import suppress

import numpy as np
import pytest

from livedream.errors import OutputError
from livedream.extras import installed
from livedream.sinks.ndi import Ndi
from livedream.sinks.spout import Spout
from livedream.sinks.syphon import Syphon
from livedream.sinks.virtual_camera import VirtualCamera

PICTURE = np.zeros((36, 64, 3), np.uint8)
PICTURE[:18] = (200, 50, 10)  # the upper half


def library(monkeypatch, name, **members):
    """A module of this name that has these."""
    made = types.ModuleType(name)
    vars(made).update(members)
    monkeypatch.setitem(sys.modules, name, made)
    return made


class Camera:
    """pyvirtualcam's."""

    def __init__(self, width, height, fps, *, device=None):
        if device == "/dev/video9":
            raise RuntimeError("'v4l2loopback' backend: Device /dev/video9\n does not exist")
        self.shape, self.fps, self.device = (height, width, 3), fps, device or "/dev/video2"
        self.sent, self.closed = [], False

    def send(self, frame):
        assert frame.shape == self.shape
        assert frame.dtype == np.uint8
        self.sent.append(frame)

    def close(self):
        self.closed = True


def test_a_virtual_camera_is_given_rgb(monkeypatch):
    library(monkeypatch, "pyvirtualcam", Camera=Camera)
    camera = VirtualCamera("", 64, 36)
    camera.send(PICTURE)
    assert camera.detail == "/dev/video2, 64x36"
    assert camera._camera.sent[0] is PICTURE
    camera.close()
    assert camera._camera.closed


def test_a_virtual_camera_that_is_not_there_says_how_to_get_one(monkeypatch):
    library(monkeypatch, "pyvirtualcam", Camera=Camera)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(OutputError, match="/dev/video9 does not exist; possible: sudo modprobe v4l2loopback"):
        VirtualCamera("/dev/video9", 64, 36)


class SpoutSender:
    """SpoutGL's."""

    takes = True

    def __init__(self):
        self.calls = []

    def sendImage(self, pixels, width, height, format, invert, fbo):
        self.calls.append(("sendImage", len(pixels), width, height, format, invert, fbo, tuple(pixels[:4])))
        return self.takes

    def __getattr__(self, name):
        return lambda *given: self.calls.append((name, *given))


def test_spout_is_given_rgba_under_its_name(monkeypatch):
    library(monkeypatch, "SpoutGL", SpoutSender=SpoutSender)
    spout = Spout("livedream", 64, 36)
    spout.send(PICTURE)
    spout.close()
    assert spout._sender.calls == [
        ("setSenderName", "livedream"),
        ("sendImage", 64 * 36 * 4, 64, 36, 0x1908, False, 0, (200, 50, 10, 255)),
        ("setFrameSync", "livedream"),
        ("releaseSender",),
    ]
    monkeypatch.setattr(SpoutSender, "takes", False)
    with pytest.raises(OutputError, match="did not take the picture"):
        spout.send(PICTURE)


def test_syphon_is_given_a_texture_under_its_name(monkeypatch):
    calls = []

    class Server:
        device = "card"

        def __init__(self, name):
            calls.append(name)

        def publish_frame_texture(self, texture, is_flipped):
            calls.append((texture, is_flipped))

        def stop(self):
            calls.append("stop")

    library(monkeypatch, "syphon", SyphonMetalServer=Server)
    library(monkeypatch, "syphon.utils")
    library(
        monkeypatch,
        "syphon.utils.numpy",
        copy_image_to_mtl_texture=lambda image, to: calls.append((image.shape, tuple(image[0, 0]), to)),
    )
    library(monkeypatch, "syphon.utils.raw", create_mtl_texture=lambda *given: given)
    syphon = Syphon("livedream", 64, 36)
    syphon.send(PICTURE)
    syphon.close()
    texture = ("card", 64, 36)
    assert calls == ["livedream", ((36, 64, 4), (200, 50, 10, 255), texture), (texture, True), "stop"]


_RECEIVE = """
import sys, time
import numpy as np
from cyndilib.finder import Finder
from cyndilib.receiver import Receiver, ReceiveFrameType
from cyndilib.video_frame import VideoRecvFrame
from cyndilib.wrapper.ndi_recv import RecvBandwidth, RecvColorFormat
finder = Finder()
finder.open()
while not (sources := [s for s in finder.iter_sources() if "(tested)" in s.name]):
    finder.wait_for_sources(1)
frame = VideoRecvFrame()
receiver = Receiver(color_format=RecvColorFormat.RGBX_RGBA, bandwidth=RecvBandwidth.highest)
receiver.set_video_frame(frame)
receiver.set_source(sources[0])
while not frame.xres:
    receiver.receive(ReceiveFrameType.recv_video, 500)
image = np.array(frame).reshape(frame.yres, frame.xres, 4)
print(frame.xres, frame.yres, *image[9, 32, :3], *image[27, 32, :3], flush=True)
"""


@pytest.mark.skipif(not installed("cyndilib"), reason="needs the extra ndi")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a firewall may ask first")
def test_ndi_arrives_in_another_process_by_the_real_library(monkeypatch, tmp_path):
    (tmp_path / "ndi-config.v1.json").write_text(json.dumps({"ndi": {"networks": {"ips": "127.0.0.1"}}}))
    monkeypatch.setenv("NDI_CONFIG_DIR", str(tmp_path))  # found without mDNS
    ndi = Ndi("tested", 64, 36)
    command = [sys.executable, "-c", _RECEIVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        try:
            while receiver.poll() is None:  # the test's own time limit ends this
                ndi.send(PICTURE)
                with suppress(subprocess.TimeoutExpired):
                    receiver.wait(0.03)
        finally:
            receiver.kill()
            ndi.close()
        assert receiver.stdout is not None
        found = [int(text) for text in receiver.stdout.read().split()]
    assert found[:2] == [64, 36]
    assert np.abs(np.array(found[2:]) - [200, 50, 10, 0, 0, 0]).max() <= 8
    assert ndi.detail.endswith("(tested), 64x36")
