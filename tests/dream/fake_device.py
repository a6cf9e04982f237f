"""What a dream on a device needs: a network's stand-in, and something to dream on."""

from __future__ import annotations

import functools
import os

import cv2
import numpy as np
import torch
from torch.nn.functional import interpolate

from livedream.runtimes.base import Step
from livedream.runtimes.on_device import DeviceGradient
from livedream.settings import Settings

#: LIVEDREAM_TEST_DEVICE names another than PyTorch's CPU.
DEVICE = torch.device(os.environ.get("LIVEDREAM_TEST_DEVICE", "cpu"))
SIZE = (134, 240)
#: Octaves of 134, 67 and 48 pixels: one is found bilinearly, one by averaging, one is odd.
SETTINGS = Settings(working_px=240, octaves=3, jitter=5)


@functools.cache
def _colours(device):
    """Made once: nothing may come from the host while a CUDA graph is captured."""
    return torch.tensor([1.0, -0.5, 0.8], device=device).view(1, 3, 1, 1)


def direction(image, offset):
    """A smooth stand-in for a network's gradient: a pattern that follows the image."""
    grey = image.mean(1, keepdim=True)
    coarse = interpolate(
        interpolate(grey, scale_factor=0.25, mode="area"), size=grey.shape[-2:], mode="bilinear"
    )
    found = (image - coarse) * _colours(image.device) + 0.1 * torch.sin(9 * image) + offset / 9
    return found / found.abs().mean()


def offset(objective):
    """What an objective's channels and words make of the stand-in."""
    words = 0.0 if objective.words is None else float(objective.words.max()) / 10
    return len(objective.channels) + words


class FakeBackend:
    """Runs on the host, and on the device as if that were a graphics card."""

    name, message = "fake", ""
    device_name = "cuda:0"

    def __init__(self):
        self.finite = True
        self.fails = None

    def _direction(self, image, offset):
        if self.fails is not None:
            raise self.fails
        return direction(image, offset) if self.finite else image * float("nan")

    def gradient(self, image, layer, objective):
        x = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
        found = self._direction(x, offset(objective))[0].permute(1, 2, 0).contiguous().numpy()
        return Step(found, 1.0, np.arange(480, dtype=np.float32))

    def on_device(self, layer, size, objective):
        def run(image, second):
            assert tuple(image.shape) == (1, 3, size[1], size[0])
            return self._direction(image, second)

        second = torch.tensor(offset(objective), device=DEVICE)
        return DeviceGradient(layer, run, second, batchable=True)

    def opening(self, layer, size, objective):
        return False

    def ready(self, layer, size, objective):
        return True

    def drop(self, reason):
        return False

    def close(self):
        pass


def film(frames=8, size=SIZE, seed=3):
    """A textured scene that pans, and turns into another one after five frames."""
    rng = np.random.default_rng(seed)
    wide = cv2.GaussianBlur(rng.random((2 * size[0], 2 * size[1], 3), np.float32), (0, 0), 2)
    wide = (255 * (wide - wide.min()) / np.ptp(wide)).astype(np.uint8)
    for n in range(frames):
        y, x = (n, 2 * n) if n < 5 else (size[0] - 1, size[1] - 20)
        yield np.ascontiguousarray(wide[y : y + size[0], x : x + size[1]])
