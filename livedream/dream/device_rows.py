"""The tensors of ticks on a device: those of one dream, or as rows those of several that tick together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from livedream.dream.device_motion import MAPS
from livedream.dream.device_operations import Areas
from livedream.dream.device_tick import Dream, Given, Gradient, Plan, count_scalars, tick
from livedream.frame import Array
from livedream.runtimes.on_device import DeviceGradient

Size = tuple[int, int]
#: The gradients of a tick's targets, for each of its steps.
Gradients = Sequence[Sequence[DeviceGradient]]
#: A target by its number, and the shape of what its gradient takes beside the image.
_Second = tuple[int, tuple[int, ...]]

#: The most steps of a tick, and the numbers that go up with each: two shifts a step, then its scalars.
MOST_STEPS = 64
_SCALARS_AT = 2 * MOST_STEPS
_SMALL = _SCALARS_AT + 2 * MOST_STEPS


def small_inputs(shifts: Sequence[tuple[int, int]], values: Array) -> Array:
    """A tick's shifts and :func:`livedream.dream.device_tick.scalars` as one float32 array, for ``small``."""
    small = np.zeros(_SMALL, np.float32)
    small[: 2 * len(shifts)] = np.array(shifts, np.float32).ravel()
    small[_SCALARS_AT : _SCALARS_AT + len(values)] = values
    return small


class Rows:
    """The tensors that ticks of one ``size`` read and write, of ``count`` dreams, at addresses that stay.

    A tick reads ``frame`` (B, h, w, 3) uint8, ``maps`` (B, 7, h', w') and ``small`` (B, …), carries on
    ``residual`` and ``momentum`` (B, 3, h, w), channels last in memory, and writes ``found``, the residual to
    fetch (B, h, w, 3), ``finite`` (B,), and ``before``, the frame, which is the next tick's last one.
    """

    def __init__(self, count: int, size: Size, maps_size: Size, device: torch.device) -> None:
        self.size, self.maps_size = size, maps_size
        images = (
            torch.zeros((count, 3, *size), device=device).contiguous(memory_format=torch.channels_last)
            for _ in range(2)
        )
        self.residual, self.momentum = images
        self.frame = torch.zeros((count, *size, 3), dtype=torch.uint8, device=device)
        self.before = torch.zeros_like(self.frame)
        self.found = torch.zeros((count, *size, 3), device=device)
        self.finite = torch.ones(count, dtype=torch.bool, device=device)
        self.maps = torch.zeros((count, MAPS, *maps_size), device=device)
        self.small = torch.zeros((count, _SMALL), device=device)
        self._areas = Areas()
        self._seconds: dict[_Second, Tensor] = {}
        self._held: dict[_Second, Tensor] = {}

    def __len__(self) -> int:
        return len(self.finite)

    @property
    def written(self) -> list[Tensor]:
        """All that a tick writes."""
        return [self.residual, self.momentum, self.before, self.found, self.finite]

    @property
    def _read(self) -> list[Tensor]:
        return [self.residual, self.momentum, self.frame, self.before, self.maps, self.small]

    def inputs(self, row: int) -> list[Tensor]:
        """What a tick reads of a row, in an order that is the same for all rows of this size."""
        return [x[row : row + 1] for x in self._read]

    def outputs(self, row: int) -> list[Tensor]:
        """What a tick writes of a row, in such an order, too."""
        return [x[row : row + 1] for x in self.written]

    def hold(self, gradients: Gradients) -> None:
        """Take over what the gradients of a single dream take beside the image, where that is new."""
        for key, second in seconds_of(gradients).items():
            if self._held.get(key) is not second:
                self._place(key, second)[0].copy_(second)
                self._held[key] = second

    def seconds(self, row: int, gradients: Gradients) -> list[tuple[Tensor, Tensor]]:
        """Where a row's gradients look for what they take beside the image, each with what belongs there."""
        return [(self._place(key, second)[row], second) for key, second in seconds_of(gradients).items()]

    def run(self, plan: Plan, gradients: Gradients) -> None:
        """One tick of every row, in place; several rows are one batch."""
        places = {key: self._seconds[key] for key in seconds_of(gradients)}

        def one(
            residual: Tensor,
            momentum: Tensor,
            frame: Tensor,
            before: Tensor,
            maps: Tensor,
            small: Tensor,
            *seconds: Tensor,
        ) -> tuple[Tensor, Tensor, Tensor]:
            given = dict(zip(places, seconds, strict=True))
            bound = [[_bound(n, gradient, given) for n, gradient in enumerate(step)] for step in gradients]
            shifts = small[: 2 * len(plan.sizes)].view(-1, 2).long()
            values = small[_SCALARS_AT : _SCALARS_AT + count_scalars(plan)]
            inputs = Given(frame, before, maps, shifts, values)
            dream, finite = tick(plan, bound, Dream(residual, momentum), inputs, self._areas)
            return dream.residual, dream.momentum, finite

        images = (x.unsqueeze(1) for x in (self.residual, self.momentum))
        inputs = [*images, *self._read[2:], *places.values()]
        if len(self) == 1:
            outputs = tuple(x[None] for x in one(*(x[0] for x in inputs)))
        else:
            outputs = vmap(one)(*inputs)
        residual, momentum, finite = outputs[0].squeeze(1), outputs[1].squeeze(1), outputs[2]
        self.residual.copy_(residual)
        self.momentum.copy_(momentum)
        self.found.copy_(residual.permute(0, 2, 3, 1))
        self.finite.copy_(finite)
        self.before.copy_(self.frame)

    def _place(self, key: _Second, like: Tensor) -> Tensor:
        if key not in self._seconds:
            self._seconds[key] = like.new_zeros((len(self), *like.shape))
        return self._seconds[key]


def seconds_of(gradients: Gradients) -> dict[_Second, Tensor]:
    """What a tick's gradients take beside the image, by target and shape: the same for all its steps."""
    return {
        (n, tuple(gradient.second.shape)): gradient.second
        for step in gradients
        for n, gradient in enumerate(step)
        if gradient.second is not None
    }


def flat(gradients: Gradients) -> list[DeviceGradient]:
    """All of a tick's gradients."""
    return [gradient for step in gradients for gradient in step]


def keys_of(gradients: Gradients) -> tuple[Hashable, ...]:
    """What tells whether gradients of two ticks are the same functions of tensors of the same shapes."""
    shapes = (None if g.second is None else (*g.second.shape, g.second.dtype) for g in flat(gradients))
    return tuple(zip((gradient.key for gradient in flat(gradients)), shapes, strict=True))


def copy_all(pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Copy the second tensor of each pair into the first: all of a type at once, which spares launches."""
    by_type: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
    for into, given in pairs:
        places, values = by_type.setdefault(into.dtype, ([], []))
        places.append(into)
        values.append(given)
    for places, values in by_type.values():
        torch._foreach_copy_(places, values)


def _bound(n: int, gradient: DeviceGradient, seconds: dict[_Second, Tensor]) -> Gradient:
    """The gradient of target ``n`` as a function of the image."""
    second = None if gradient.second is None else seconds[n, tuple(gradient.second.shape)]
    return lambda image: gradient.run(image, second)
