"""Generated videos: each frame's brightness encodes its number."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LEVELS_PER_FRAME = 8


def make_video(path: Path, frames: int = 12, fps: int = 25, size: tuple[int, int] = (64, 48)) -> Path:
    """A video whose n-th frame is grey of level 16 + 8·n, its left half darker by half."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.qmax = 2
        for n in range(frames):
            image = np.full((size[1], size[0], 3), 16 + LEVELS_PER_FRAME * n, np.uint8)
            image[:, : size[0] // 2] //= 2
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def frame_number(image: np.ndarray) -> int:
    """The number of a frame of :func:`make_video`."""
    return round((float(image[:, image.shape[1] * 3 // 4].mean()) - 16) / LEVELS_PER_FRAME)
