"""Pushing: a real receiver gets the picture, one that is away is waited for, and no password is told."""

import shutil
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from livedream.errors import OutputError, UsageError
from livedream.sinks.addresses import check_push, public_url
from livedream.sinks.encoding import Encoding
from livedream.sinks.port import Stamp
from livedream.sinks.push import Push
from livedream.sinks.sending import Sender

PICTURE = np.zeros((96, 160, 3), np.uint8)
PICTURE[:48] = (200, 50, 10)


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def receive(url):
    """A process that listens there, and writes the first pictures that come, as RGB."""
    command = ["ffmpeg", "-loglevel", "error", "-rtsp_flags", "listen", "-i", url, "-frames:v", "3"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg, which plays the server")
@pytest.mark.skipif(sys.platform == "win32", reason="tried on Linux")
def test_a_server_that_comes_later_gets_the_picture(port):
    url = f"rtsp://artist:secret@127.0.0.1:{port}/key"
    opened = threading.Event()

    def open(width, height):
        opened.set()
        return Push(url, Encoding(), width, height)

    with Sender("push", open, first_retry_s=0.05) as sender:
        while sender.state.state != "failed":  # the test's own time limit ends this
            sender.show(PICTURE, None, Stamp(1, 1.0))
            opened.wait(0.01)
        (said,) = sender.faults()
        assert said.startswith(f"cannot push to rtsp://127.0.0.1:{port}: Connection refused; retrying")
        server = receive(url)
        try:
            done = threading.Thread(target=lambda: pictures.append(server.stdout.read()))
            pictures = []
            done.start()
            while done.is_alive():
                sender.show(PICTURE, None, Stamp(1, 1.0))
                done.join(0.02)
        finally:
            server.kill()
            server.communicate()
    image = np.frombuffer(pictures[0], np.uint8)[-PICTURE.size :].reshape(PICTURE.shape)
    assert np.abs(image[24, 80].astype(int) - PICTURE[24, 80]).max() <= 8
    assert image[72, 80].max() <= 8


@pytest.mark.parametrize("url", ["rtsp://user:secret@127.0.0.1:1/key", "http://127.0.0.1:1/key/whip"])
def test_what_fails_says_where_but_no_secret(url):
    with pytest.raises(OutputError) as caught:
        Push(url, Encoding(), 160, 96)
    assert "127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "key" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert public_url(url).endswith("://127.0.0.1:1")


@pytest.mark.parametrize("url", ["udp://a:secret@b", "rtsp://", "rtsp://a:secret@b:c/d", "secret", "http://"])
def test_an_address_that_nobody_could_push_to_is_refused_without_telling_it(url):
    with pytest.raises(UsageError, match="expected rtsp://HOST") as caught:
        check_push(url)
    assert "secret" not in str(caught.value)
