"""Generated images for the tests of training."""

from __future__ import annotations

import cv2
import numpy as np

from training.dataset import SIDE_PX


def blobs(count: int, seed: int = 0) -> np.ndarray:
    """Dataset of soft coloured blobs, RGB uint8 (count, SIDE_PX, SIDE_PX, 3)."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 9, 9, 3), np.uint8)
    return np.stack([cv2.resize(s, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC) for s in small])


def jpeg(seed: int) -> bytes:
    return cv2.imencode(".jpg", cv2.resize(blobs(1, seed)[0], (120 + seed, 100)))[1].tobytes()
