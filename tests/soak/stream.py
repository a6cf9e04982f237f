"""A network camera that plays a loop for ever, and fails when it is told to."""

from __future__ import annotations

import http.server
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from livedream.resource import Resource

FPS = 25
_SECONDS = 20
_SIZE = (640, 360)


class StreamServer(Resource):
    """Serves a loop of JPEGs at 25 fps: a video's first seconds, or clouds.

    ``failing`` is "", ``dropped``, ``stalled`` or ``garbled``.
    """

    def __init__(self, video: Path | None) -> None:
        self.failing = ""
        self._jpegs = _from_video(video) if video else _from_clouds()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if server.failing == "dropped":
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    server._play(self)
                except OSError:  # the viewer has gone
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, name="stream", daemon=True)
        self._thread.start()
        self.name = f"127.0.0.1:{self._http.server_port}/stream"
        self.url = f"http://{self.name}"

    def _play(self, viewer: http.server.BaseHTTPRequestHandler) -> None:
        began_s = time.monotonic()
        n = 0
        while self.failing != "dropped":
            due_s = began_s + n / FPS
            time.sleep(max(0.0, due_s - time.monotonic()))
            n += 1
            if self.failing == "stalled":
                continue
            jpeg = self._jpegs[n % len(self._jpegs)]
            if self.failing == "garbled":
                jpeg = bytes(reversed(jpeg))
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            viewer.wfile.write(head.encode() + jpeg + b"\r\n")

    def close(self) -> None:
        self.failing = "dropped"
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def _jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])[
        1
    ].tobytes()


def _from_video(video: Path) -> list[bytes]:
    import av

    with av.open(str(video)) as container:
        frames = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        return [_jpeg(image) for image, _ in zip(frames, range(_SECONDS * FPS), strict=False)]


def _from_clouds() -> list[bytes]:
    from livedream.sources.clouds import Clouds

    clouds = Clouds(_SIZE)
    return [_jpeg(clouds.image(n / FPS)) for n in range(_SECONDS * FPS)]
