"""The tensors of ticks on a device: those of one dream, or as rows those of several that tick together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from livedream.dream.ascent import PlannedStep
from livedream.dream.device_motion import MAPS
from livedream.dream.device_operations import Areas
from livedream.dream.device_tick import Ascent, Dream, Given, Gradient, Plan, Step, ascend, begin, end
from livedream.frame import Array
from livedream.runtimes.cuda_graphs import Part
from livedream.runtimes.on_device import DeviceGradient

Size = tuple[int, int]
#: The gradients of a tick's targets, for each of its steps.
Gradients = Sequence[Sequence[DeviceGradient]]
#: A target by its number, and the shape of what its gradient takes beside the image.
_Second = tuple[int, tuple[int, ...]]

#: The most steps of a tick, and the numbers that go up with it: two shifts and a reach a step, then scalars.
MOST_STEPS = 64
_SCALARS_AT = 3 * MOST_STEPS
_SMALL = _SCALARS_AT + MOST_STEPS


def small_inputs(steps: Sequence[PlannedStep], values: Array) -> Array:
    """A tick's steps and :func:`livedream.dream.device_tick.scalars` as one float32 array, for ``small``."""
    small = np.zeros(_SMALL, np.float32)
    for n, step in enumerate(steps):
        small[3 * n : 3 * n + 3] = *step.shift, step.reach
    small[_SCALARS_AT : _SCALARS_AT + len(values)] = values
    return small


class Rows:
    """The tensors that ticks of one ``size`` read and write, of ``count`` dreams, at addresses that stay.

    A tick reads ``frame`` (B, h, w, 3) uint8, ``maps`` (B, 7, h', w') and ``small`` (B, …), carries on
    ``residual`` and ``momentum`` (B, 3, h, w), channels last in memory, and writes ``found``, the residual to
    fetch (B, h, w, 3), ``finite`` (B,), and ``before``, the frame, which is the next tick's last one.
    Between its parts there are the dream as it was moved and as it has grown since, what the steps need, and
    which of them has its turn.
    """

    def __init__(self, count: int, size: Size, maps_size: Size, device: torch.device) -> None:
        self.size, self.maps_size = size, maps_size
        self.residual, self.momentum, *more = (
            torch.zeros((count, 3, *size), device=device).contiguous(memory_format=torch.channels_last)
            for _ in range(6)
        )
        self._moved, self._grown = more[:2], more[2:]
        self._ascent = [torch.zeros((count, 1, *size), device=device) for _ in range(2)]
        self._turn = torch.zeros(1, dtype=torch.int64, device=device)
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

    def parts(self, plan: Plan, gradients: Gradients) -> list[Part]:
        """What one tick of every row consists of, in order; several rows are one batch."""
        steps = [self._step(plan, size, step) for size, step in zip(plan.sizes, gradients, strict=True)]
        return [self._begin(plan.fed_back), *steps, self._end(plan.pulls)]

    def run(self, plan: Plan, gradients: Gradients) -> None:
        """One tick of every row, in place."""
        for part in self.parts(plan, gradients):
            part.run()

    def _begin(self, fed_back: bool) -> Part:
        into = [*self._moved, *self._ascent]

        def one(*given: Tensor) -> tuple[Tensor, ...]:
            moved, ascent = begin(self.size, fed_back, Dream(*given[:2]), _given(*given[2:]), self._areas)
            return moved.residual, moved.momentum, ascent.lengths, ascent.kept

        def run() -> None:
            self._each(one, [self.residual, self.momentum], self._read[2:], into)
            for place, tensor in zip(self._grown, self._moved, strict=True):
                place.copy_(tensor)
            self._turn.zero_()

        return Part((self, "begin", fed_back), run, [*into, *self._grown, self._turn])

    def _step(self, plan: Plan, size: Size, gradients: Sequence[DeviceGradient]) -> Part:
        """The step whose turn it is: there may be several alike in a tick, with other shifts and reaches."""
        places = {key: self._seconds[key] for key in seconds_of([gradients])}

        def one(*given: Tensor) -> tuple[Tensor, ...]:
            seconds = dict(zip(places, given[8:], strict=True))
            bound = [_bound(n, gradient, seconds) for n, gradient in enumerate(gradients)]
            now = given[7][:_SCALARS_AT].view(-1, 3).index_select(0, self._turn)[0]
            dream, ascent, step = Dream(*given[:2]), Ascent(*given[2:4]), Step(now[:2].long(), now[2:])
            inputs = _given(*given[4:8])
            grown = ascend(plan, size, bound, dream, ascent, step, inputs, self._areas)
            return grown.residual, grown.momentum

        def run() -> None:
            images = [*self._grown, *self._ascent]
            self._each(one, images, [*self._read[2:], *places.values()], self._grown)
            self._turn.add_(1)

        key = self, "step", size, plan.shaping, plan.strokes, keys_of([gradients])
        recordable = all(gradient.recordable for gradient in gradients)
        return Part(key, run, [*self._grown, self._turn], recordable)

    def _end(self, pulls: int) -> Part:
        def one(*given: Tensor) -> tuple[Tensor, ...]:
            moved, grown = Dream(*given[:2]), Dream(*given[2:4])
            dream, finite = end(pulls, moved, grown, _given(*given[4:]), self._areas)
            return dream.residual, dream.momentum, finite

        def run() -> None:
            images = [*self._moved, *self._grown]
            self._each(one, images, self._read[2:], [self.residual, self.momentum, self.finite])
            self.found.copy_(self.residual.permute(0, 2, 3, 1))
            self.before.copy_(self.frame)

        return Part((self, "end", pulls), run, self.written)

    def _each(
        self,
        one: Callable[..., tuple[Tensor, ...]],
        images: Sequence[Tensor],
        others: Sequence[Tensor],
        into: Sequence[Tensor],
    ) -> None:
        """Write what ``one`` finds in each row of ``images``, as (1, C, h, w), and of ``others``."""
        inputs = [*(x.unsqueeze(1) for x in images), *others]
        if len(self) == 1:
            outputs = tuple(x[None] for x in one(*(x[0] for x in inputs)))
        else:
            outputs = vmap(one)(*inputs)
        for place, found in zip(into, outputs, strict=True):
            place.copy_(found.squeeze(1) if found.dim() > place.dim() else found)

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


def _given(frame: Tensor, before: Tensor, maps: Tensor, small: Tensor) -> Given:
    return Given(frame, before, maps, small[_SCALARS_AT:])


def _bound(n: int, gradient: DeviceGradient, seconds: dict[_Second, Tensor]) -> Gradient:
    """The gradient of target ``n`` as a function of the image."""
    second = None if gradient.second is None else seconds[n, tuple(gradient.second.shape)]
    return lambda image: gradient.run(image, second)
