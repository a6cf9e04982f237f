"""A pool of images that are dreamt on during training.

A student that never sees its own dreams responds to adversarial nonsense. The training step computes the
input gradients of teacher and student anyway, so dreams come for free: the images of a batch take one ascent
step along the gradient just computed, and return to the pool.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Images in the pool are larger than crops by this much; the random offset of the crop is the jitter.
MARGIN_PX = 16
# Most dreams are a few steps old, as in a mirror after a change; some are long, as with feedback.
_LONG_PROBABILITY = 0.1
_SHORT_STEPS, _LONG_STEPS = (1, 6), (12, 48)
_STEP_LEVELS = (1.5, 8.0)  # of 255; the classic step is 1.5, larger steps get further in fewer batches
_ZOOM_PROBABILITY, _ZOOM = 0.12, (1.05, 1.4)  # as octaves and zoom feedback do


class DreamPool:
    """Up to ``capacity`` dreams, float (capacity, 3, S, S) in [0, 1] with ``S = crop_px + MARGIN_PX``."""

    def __init__(self, capacity: int, crop_px: int, rng: np.random.Generator, device: torch.device) -> None:
        self._crop_px = crop_px
        self._rng = rng
        side = crop_px + MARGIN_PX
        self._images = torch.zeros(capacity, 3, side, side, device=device)
        self._steps_left = np.zeros(capacity, np.int64)
        self._by_teacher = np.zeros(capacity, bool)

    @property
    def active(self) -> int:
        """The number of dreams in progress."""
        return int((self._steps_left > 0).sum())

    def take(self, count: int, fresh: Tensor) -> tuple[Tensor, DreamBatch]:
        """Crops (B, 3, crop_px, crop_px) of at most ``count`` dreams and otherwise of ``fresh`` images.

        ``fresh`` is (B, 3, S, S); its images replace dreams that have ended. Pass the second value and the
        gradients to :meth:`give_back`.
        """
        active = np.flatnonzero(self._steps_left > 0)
        slots = self._rng.choice(active, min(count, len(active)), replace=False)
        images = torch.cat((self._images[torch.from_numpy(slots)], fresh[len(slots) :]))
        free = np.flatnonzero(self._steps_left == 0)[: len(fresh) - len(slots)]
        self._steps_left[free] = [self._length() for _ in free]
        self._by_teacher[free] = self._rng.random(len(free)) < 0.5
        slots = np.concatenate((slots, free))
        top, left = self._rng.integers(0, MARGIN_PX + 1, 2)
        batch = DreamBatch(images, slots, int(top), int(left))
        return images[:, :, top : top + self._crop_px, left : left + self._crop_px].contiguous(), batch

    def give_back(self, batch: DreamBatch, teacher: Tensor, student: Tensor) -> None:
        """Take an ascent step along the teacher's or the student's gradients (B, 3, crop_px, crop_px)."""
        count = len(batch.slots)
        by_teacher = torch.from_numpy(self._by_teacher[batch.slots]).to(teacher.device).view(-1, 1, 1, 1)
        step = torch.where(by_teacher, teacher[:count], student[:count])
        step = step / (step.abs().mean((1, 2, 3), keepdim=True) + 1e-12)
        low, high = np.log(_STEP_LEVELS)
        sizes = np.exp(self._rng.uniform(low, high, (count, 1, 1, 1))).astype(np.float32) / 255.0
        images = batch.images[:count]
        end_y, end_x = batch.top + self._crop_px, batch.left + self._crop_px
        step *= torch.from_numpy(sizes).to(step.device)
        images[:, :, batch.top : end_y, batch.left : end_x] += step
        images.clamp_(0.0, 1.0)
        for i in np.flatnonzero(self._rng.random(count) < _ZOOM_PROBABILITY):
            images[i] = _zoom(images[i], self._rng.uniform(*_ZOOM))
        self._images[torch.from_numpy(batch.slots)] = images
        self._steps_left[batch.slots] -= 1

    def _length(self) -> int:
        low, high = _LONG_STEPS if self._rng.random() < _LONG_PROBABILITY else _SHORT_STEPS
        return int(self._rng.integers(low, high + 1))


class DreamBatch:
    """A batch taken from the pool: the whole images, their slots, and the offset of the crop."""

    def __init__(self, images: Tensor, slots: np.ndarray, top: int, left: int) -> None:
        self.images, self.slots, self.top, self.left = images, slots, top, left


def _zoom(image: Tensor, factor: float) -> Tensor:
    side = image.shape[-1]
    inner = round(side / factor)
    start = (side - inner) // 2
    middle = image[None, :, start : start + inner, start : start + inner]
    return F.interpolate(middle, (side, side), mode="bicubic", align_corners=False)[0].clamp(0.0, 1.0)
