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


@contextmanager
def mjpeg_server(images):
    """Serve ``images`` (RGB) as one multipart stream, then hang up; gives the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for image in images:
                jpeg = cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()
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


def test_pictures_arrive_in_order_and_the_end_is_an_error(clock):
    images = [np.full((48, 64, 3), (20 * n, 100, 50), np.uint8) for n in range(9)]
    with mjpeg_server(images) as address, Stream(address, clock=clock) as stream:
        assert stream.kind == "stream"
        assert stream.size == (64, 48)
        assert "secret" not in stream.name
        frames = []
        with pytest.raises(SourceError, match=r"stream 127.*/stream (has ended|stopped).*possible") as caught:
            frames.extend(stream)
    assert "secret" not in str(caught.value)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    shown = [round(float(frame.image[24, 32, 0]) / 20) for frame in frames]
    assert shown == list(range(9))[-len(frames) :]
    assert len(frames) >= 8  # FFmpeg keeps the first picture for itself
    assert frames[0].time_s == 1000.0
    stream.close()
    assert list(stream) == []


def test_nobody_there_is_an_error_of_one_line():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/stream"
        with pytest.raises(SourceError, match=r"cannot be opened: Connection refused; possible") as caught:
            Stream(address)
    assert "\n" not in str(caught.value)


def test_a_page_that_is_no_stream(tmp_path):
    with mjpeg_server([]) as address, pytest.raises(SourceError, match="possible"):
        Stream(address)


def test_names_are_safe_to_show_on_a_wall():
    assert public_name("rtsp://anna:pass@cam.local:554/live?key=1") == "cam.local:554/live"
    assert public_name("0") == "camera 0"
    assert public_name("/videos/one.mp4") == "one.mp4"
