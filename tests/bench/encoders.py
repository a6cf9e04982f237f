"""What each encoder costs, and how near its pictures come.

``python -m tests.bench.encoders VIDEO [--size WxH]``: one picture after the other, converted as the recorder
does it, while nothing dreams. Prints processor time for each picture, its size, and the PSNR of luma after
decoding. ``--crf`` tries other qualities of one encoder.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from itertools import islice

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext

from livedream.cli.parser import size
from livedream.sinks.encoders import TIME_BASE, set_up, usable, video_frame
from livedream.sinks.encoding import ENCODERS, Encoder, Encoding


def pictures(path: str, to: tuple[int, int], count: int) -> list[np.ndarray]:
    """RGB, enlarged to the size."""
    with av.open(path) as video:
        decoded = [frame.to_ndarray(format="rgb24") for frame in islice(video.decode(video=0), count)]
    return [cv2.resize(image, to, interpolation=cv2.INTER_CUBIC) for image in decoded]


def measure(encoder: Encoder, images: list[np.ndarray]) -> str:
    """A line of figures."""
    height, width = images[0].shape[:2]
    context = av.CodecContext.create(encoder.codec, "w")
    assert isinstance(context, VideoCodecContext)
    standard = set_up(context, encoder, Encoding(), width, height, 30.0)
    began, packets, sent = time.process_time(), [], []
    for index, image in enumerate(images):
        frame = video_frame(image, encoder, standard)
        frame.pts, frame.time_base = index * 33, TIME_BASE
        sent.append(frame)
        packets += context.encode(frame)
    packets += context.encode(None)
    cpu_ms = (time.process_time() - began) / len(images) * 1000
    reader = av.CodecContext.create("h264" if encoder.is_h264 else "libdav1d", "r")
    assert isinstance(reader, VideoCodecContext)
    reader.extradata = context.extradata
    decoded = [frame for packet in [*packets, None] for frame in reader.decode(packet)]
    error = np.mean([(_luma(a) - _luma(b)) ** 2 for a, b in zip(sent, decoded, strict=True)])
    kilobytes = sum(packet.size for packet in packets) / len(images) / 1000
    return f"{cpu_ms:6.1f} ms  {kilobytes:7.1f} kB  {10 * np.log10(255**2 / error):5.2f} dB"


def _luma(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray()[: frame.height].astype(np.float32)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video")
    parser.add_argument("--size", type=size, default=(1280, 720))
    parser.add_argument("--frames", type=int, default=45)
    parser.add_argument("--crf", nargs="*", default=[], help="such as x264=23")
    found = parser.parse_args()
    images = pictures(found.video, found.size, found.frames)
    tried = [(encoder.name, encoder) for encoder, problem in usable(*found.size) if not problem]
    for text in found.crf:
        name, _, crf = text.partition("=")
        encoder = next(encoder for encoder in ENCODERS if encoder.name == name)
        tried.append((text, replace(encoder, options={**encoder.options, "crf": crf})))
    for name, encoder in tried:
        sys.stdout.write(f"{name:10} {measure(encoder, images)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
