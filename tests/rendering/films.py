"""Small films with scenes and sound, for tests of rendering."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from livedream.frame import Image, resize

FPS = 10
_SOUND_HZ = 48000


def scene(seed: int, frames: int, size: tuple[int, int] = (96, 72)) -> list[Image]:
    """Frames (RGB uint8) of ``size`` (w, h): one picture that moves slowly, another for each seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 7, 3), np.uint8)
    fine = rng.integers(-40, 41, (72, 96, 3))
    picture = np.clip(resize(coarse, *size).astype(int) + resize(fine.astype(np.float32), *size), 0, 255)
    return [np.roll(picture, n // 2, 1).astype(np.uint8) for n in range(frames)]


def write_film(
    path: Path,
    images: Sequence[Image],
    *,
    times_s: Sequence[float] | None = None,
    sound: bool = False,
    key_every: int = 12,
    codec: str = "aac",
) -> Path:
    """A film of these images, by H.264 with B-frames, at :data:`FPS` or ``times_s``, perhaps with a tone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.codec_context.gop_size = "yuv420p", key_every
        stream.options = {"crf": "12", "preset": "ultrafast", "bf": "2", "x264-params": "scenecut=0"}
        stream.codec_context.time_base = Fraction(1, 1000)
        tone = container.add_stream(codec, rate=_SOUND_HZ, layout="mono") if sound else None
        for n, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            at_s = n / FPS if times_s is None else times_s[n]
            frame.pts, frame.time_base = round(at_s * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone is not None:
            for n in range(len(images) * _SOUND_HZ // FPS // 1024):
                wave = np.sin(np.arange(n * 1024, n * 1024 + 1024) / 8).astype(np.float32)[None]
                samples = av.AudioFrame.from_ndarray(
                    wave, format="flt" if codec == "libopus" else "fltp", layout="mono"
                )
                samples.sample_rate, samples.pts = _SOUND_HZ, n * 1024
                container.mux(tone.encode(samples))
            container.mux(tone.encode(None))
    return path


def pictures_of(path: Path) -> list[Image]:
    """The decoded pictures of a film, RGB uint8 (h, w, 3)."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def times_of(path: Path) -> list[float]:
    """When its frames are, in seconds."""
    with av.open(str(path)) as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


def sound_of(path: Path) -> tuple[str, float]:
    """The codec of a film's first sound track, and how long its packets last in seconds."""
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        lasts = sum(
            (packet.duration or 0) * packet.time_base for packet in container.demux(track) if packet.size
        )
        return track.codec_context.name, float(lasts)
