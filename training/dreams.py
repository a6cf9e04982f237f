"""A pool of pictures that are being dreamt while the training goes on.

A student that has never seen its own dreams finds nonsense that excites it. The training step computes the
teacher's and the student's input gradients anyway, so a dream costs nothing more: the pictures of a batch
take one ascent step along the gradient that was just computed and go back into the pool.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Pictures of the pool are this much larger than crops; the random offset of the crop is the jitter.
MARGIN_PX = 16
# Most dreams are a few steps old, as in a mirror that just changed; some are long feedback dreams.
_LONG_SHARE = 0.1
_SHORT_STEPS, _LONG_STEPS = (1, 6), (12, 48)
_STEP_LEVELS = (1.5, 8.0)  # of 255; the classic step is 1.5, larger ones get further in fewer batches
_ZOOM_SHARE, _ZOOM = 0.12, (1.05, 1.4)  # as octaves and zoom feedback do


class DreamPool:
    """Up to ``capacity`` dreams, float (capacity, 3, S, S) in [0, 1] with ``S = crop_px + MARGIN_PX``."""

    def __init__(self, capacity: int, crop_px: int, rng: np.random.Generator, device: torch.device) -> None:
        self._crop_px = crop_px
        self._rng = rng
        side = crop_px + MARGIN_PX
        self._pictures = torch.zeros(capacity, 3, side, side, device=device)
        self._steps_left = np.zeros(capacity, np.int64)
        self._by_teacher = np.zeros(capacity, bool)

    @property
    def alive(self) -> int:
        """How many dreams are under way."""
        return int((self._steps_left > 0).sum())

    def take(self, count: int, fresh: Tensor) -> tuple[Tensor, Batch]:
        """A batch (count of dreams at most, the rest fresh) of crops (B, 3, crop_px, crop_px).

        ``fresh`` is (B, 3, S, S), as many as the batch has pictures; they replace dreams that have ended.
        Pass the second value to :meth:`give_back` with the gradients.
        """
        alive = np.flatnonzero(self._steps_left > 0)
        slots = self._rng.choice(alive, min(count, len(alive)), replace=False)
        pictures = torch.cat((self._pictures[torch.from_numpy(slots)], fresh[len(slots) :]))
        free = np.flatnonzero(self._steps_left == 0)[: len(fresh) - len(slots)]
        self._steps_left[free] = [self._life() for _ in free]
        self._by_teacher[free] = self._rng.random(len(free)) < 0.5
        slots = np.concatenate((slots, free))
        top, left = self._rng.integers(0, MARGIN_PX + 1, 2)
        batch = Batch(pictures, slots, int(top), int(left))
        return pictures[:, :, top : top + self._crop_px, left : left + self._crop_px].contiguous(), batch

    def give_back(self, batch: Batch, teacher: Tensor, student: Tensor) -> None:
        """One ascent step along the teacher's or the student's gradients, (B, 3, crop_px, crop_px) both."""
        count = len(batch.slots)
        by_teacher = torch.from_numpy(self._by_teacher[batch.slots]).to(teacher.device).view(-1, 1, 1, 1)
        step = torch.where(by_teacher, teacher[:count], student[:count])
        step = step / (step.abs().mean((1, 2, 3), keepdim=True) + 1e-12)
        low, high = np.log(_STEP_LEVELS)
        sizes = np.exp(self._rng.uniform(low, high, (count, 1, 1, 1))).astype(np.float32) / 255.0
        pictures = batch.pictures[:count]
        end_y, end_x = batch.top + self._crop_px, batch.left + self._crop_px
        step *= torch.from_numpy(sizes).to(step.device)
        pictures[:, :, batch.top : end_y, batch.left : end_x] += step
        pictures.clamp_(0.0, 1.0)
        for i in np.flatnonzero(self._rng.random(count) < _ZOOM_SHARE):
            pictures[i] = _zoom(pictures[i], self._rng.uniform(*_ZOOM))
        self._pictures[torch.from_numpy(batch.slots)] = pictures
        self._steps_left[batch.slots] -= 1

    def _life(self) -> int:
        low, high = _LONG_STEPS if self._rng.random() < _LONG_SHARE else _SHORT_STEPS
        return int(self._rng.integers(low, high + 1))


class Batch:
    """What :meth:`DreamPool.take` handed out: the whole pictures, their slots and the crop's offset."""

    def __init__(self, pictures: Tensor, slots: np.ndarray, top: int, left: int) -> None:
        self.pictures, self.slots, self.top, self.left = pictures, slots, top, left


def _zoom(picture: Tensor, factor: float) -> Tensor:
    side = picture.shape[-1]
    inner = round(side / factor)
    start = (side - inner) // 2
    middle = picture[None, :, start : start + inner, start : start + inner]
    return F.interpolate(middle, (side, side), mode="bicubic", align_corners=False)[0].clamp(0.0, 1.0)
