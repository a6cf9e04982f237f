"""MJPEG over HTTP, from a server in this process."""

import http.server
import socket
import threading
from contextlib import contextmanager

import cv2
import numpy as np
import pytest

from livedream.errors import SourceError
from livedream.sources.source import public_name
from livedream.sources.stream import Stream


def encoded(image):
    return cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()


@contextmanager
def mjpeg_server(images):
    """Serve ``images`` (RGB, or bytes as they are) as one multipart stream, then hang up; yields the URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for image in images:
                jpeg = image if isinstance(image, bytes) else encoded(image)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/stream?token=secret"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_frames_arrive_in_order_and_the_end_is_an_error(clock):
    images = [np.full((48, 64, 3), (20 * n, 100, 50), np.uint8) for n in range(9)]
    with mjpeg_server(images) as address, Stream(address, clock=clock) as stream:
        assert stream.kind == "stream"
        assert stream.size == (64, 48)
        assert "secret" not in stream.name
        frames = []
        with pytest.raises(
            SourceError, match=r"stream '127.*/stream' (has ended|stopped).*possible"
        ) as caught:
            frames.extend(stream)
    assert "secret" not in str(caught.value)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    shown = [round(float(frame.image[24, 32, 0]) / 20) for frame in frames]
    assert shown == list(range(9))[-len(frames) :]
    assert len(frames) >= 8  # FFmpeg keeps the first frame to itself
    assert frames[0].time_s == 1000.0
    stream.close()
    assert list(stream) == []


def test_a_refused_connection_is_an_error_of_one_line():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/stream"
        with pytest.raises(SourceError, match=r"cannot be opened: Connection refused; possible") as caught:
            Stream(address)
    assert "\n" not in str(caught.value)


def test_a_page_without_a_stream_is_an_error(tmp_path):
    with mjpeg_server([]) as address, pytest.raises(SourceError, match="possible"):
        Stream(address)


@pytest.mark.parametrize("length", [30, 400], ids=["cut off early", "cut off in the middle"])
def test_a_damaged_jpeg_is_skipped_and_the_connection_kept(length, caplog):
    images = [np.full((48, 64, 3), (20 * n, 100, 50), np.uint8) for n in range(9)]
    stream_of = [*images[:4], encoded(images[4])[:length], encoded(images[5])[:length], *images[6:]]
    frames = []
    with (
        mjpeg_server(stream_of) as address,
        Stream(address) as stream,
        pytest.raises(SourceError, match=r"has ended|stopped"),
    ):
        frames.extend(stream)
    shown = [round(float(frame.image[24, 32, 0]) / 20) for frame in frames]
    assert shown[-5:] == [2, 3, 6, 7, 8]
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert caplog.text.count("skipping damaged frames") == 1


def test_a_stream_of_nothing_but_damaged_frames_fails(clock):
    images = [np.full((48, 64, 3), 20 * n, np.uint8) for n in range(3)]

    def passing():
        clock.now += 1.0
        return clock.now

    with (
        mjpeg_server([*images, *[encoded(images[0])[:30]] * 9]) as address,
        Stream(address, clock=passing) as stream,
        pytest.raises(SourceError) as caught,
    ):
        list(stream)
    assert "sent nothing but damaged frames for 5 s" in str(caught.value)


def test_the_message_quotes_only_a_part_of_a_long_url():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/" + "x" * 5000
        with pytest.raises(SourceError) as caught:
            Stream(address)
    assert len(str(caught.value)) < 200


def test_names_show_no_secrets():
    assert public_name("rtsp://anna:pass@cam.local:554/live?key=1") == "cam.local:554/live"
    assert public_name("0") == "camera 0"
    assert public_name("/videos/one.mp4") == "one.mp4"
