"""A network camera that misbehaves as the test directs: Motion-JPEG over HTTP, from threads of its own."""

from __future__ import annotations

import http.server
import threading
import time
from contextlib import suppress

import cv2
import numpy as np

FPS = 25.0


class NetworkCamera:
    """Streams a room in which a square moves; ``mode`` says what is sent from now on.

    ``play``; ``stall`` (nothing, the connection stays); ``refuse`` (hangs up, and on who comes);
    ``garbage``; ``repeat`` (one frame for ever); ``trickle`` (a frame every 4 s); ``black``; ``damaged``
    (every second JPEG is cut off); ``small`` and ``tall`` (another size). ``connections`` counts those who
    came.
    """

    def __init__(self, size: tuple[int, int] = (320, 180)) -> None:
        self.mode = "play"
        self.connections = 0
        self._size = size
        self._frame = 0
        self._closed = threading.Event()
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.connections += 1
                with suppress(OSError):
                    camera._serve(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/stream"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, request: http.server.BaseHTTPRequestHandler) -> None:
        if self.mode == "refuse":
            return
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        slow_s = 0.0
        while self.mode != "refuse" and not self._closed.wait(1 / FPS):
            mode = self.mode
            if mode == "stall" or (mode == "trickle" and time.monotonic() < slow_s + 4.0):
                continue
            slow_s = time.monotonic()
            if mode == "garbage":
                request.wfile.write(np.random.default_rng(self._frame).bytes(20_000))
                self._frame += 1
                continue
            jpeg = self._jpeg(mode)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            request.wfile.write(head.encode() + jpeg + b"\r\n")

    def _jpeg(self, mode: str) -> bytes:
        self._frame += mode != "repeat"
        n, (width, height) = self._frame, self._size
        if mode in ("small", "tall"):
            width, height = (width // 2, height // 2) if mode == "small" else (height, width)
        rng = np.random.default_rng(n)
        image = rng.integers(0, 6, (height, width, 3), np.uint8)
        if mode != "black":
            image += np.linspace(60, 160, width, dtype=np.uint8)[None, :, None]
            x = n * 4 % max(1, width - 40)
            image[height // 4 : height // 2, x : x + 40] = (40, 90, 220)
        jpeg = cv2.imencode(".jpg", image)[1].tobytes()
        return jpeg[: len(jpeg) // 2] if mode == "damaged" and n % 2 else jpeg
