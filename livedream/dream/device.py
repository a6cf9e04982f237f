"""A dream that lives on a device: the picture's motion goes in, the residual comes out, the rest stays there.

For GPUs; on the CPU, where every machine can test it, it dreams the same, only slower than OpenCV does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from livedream.dream.ascent import PlannedStep
from livedream.dream.device_motion import MAPS, Motion, Move
from livedream.dream.device_operations import Areas
from livedream.dream.device_tick import (
    Dream,
    Given,
    Gradient,
    Plan,
    count_scalars,
    make_plan,
    scalars,
    tick,
)
from livedream.dream.resampling import resampled
from livedream.dream.residual import Residual
from livedream.frame import Array, Image
from livedream.runtimes.cuda_graphs import CaptureInPlace, Recorded
from livedream.runtimes.on_device import DeviceGradient
from livedream.runtimes.transfers import Download, Streams, Upload, streams_of
from livedream.settings import Settings

Size = tuple[int, int]


@dataclass(frozen=True)
class DeviceTarget:
    """One target of the mix: its ``weight``, its ``gradients`` by size (height, width), and whether its layer
    sees only ``strokes``."""

    weight: float
    gradients: Mapping[Size, DeviceGradient]
    strokes: bool = False


class DeviceDream:
    """Residual and momentum on ``device``, carried from frame to frame.

    In each tick call :meth:`follow`, then :meth:`start`, whose result waits for the residual. The host may
    prepare the next tick before that. Raises whatever the device raises; see
    :mod:`livedream.runtimes.device_errors`.
    """

    def __init__(
        self, device: torch.device, recorded: Recorded | None = None, streams: Streams | None = None
    ) -> None:
        self.device = device
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # of this thread: CUDA graphs are captured on the current one
        self._streams = streams_of(device) if streams is None else streams
        capture = CaptureInPlace() if device.type == "cuda" else None
        self._recorded = Recorded(device, capture, _MOST_PLANS) if recorded is None else recorded
        self._motion = Motion()
        self._move: Move | None = None
        self._frame: Image | None = None
        self._buffers: _Buffers | None = None
        self._kept: OrderedDict[tuple[Size, Size], _Buffers] = OrderedDict()
        self._given: tuple[Image, Residual] | None = None

    @property
    def recording(self) -> bool:
        """Whether ticks are CUDA graphs."""
        return self._recorded.working

    @property
    def novelty(self) -> float:
        """How new the dream is, 0 to 1, in the mean."""
        return float(self._motion.novelty.mean())

    def seed(self, frame: Image, residual: Residual) -> None:
        """Begin with ``residual`` (h, w, 3), which was dreamt on ``frame`` of that size."""
        self._motion.seed(frame)
        self._given = frame, residual

    def follow(self, frame: Image, settings: Settings, elapsed_s: float) -> None:
        """Find the motion from the last frame to ``frame`` (RGB uint8 (h, w, 3)), ``elapsed_s`` later."""
        self._move = self._motion.follow(frame, settings, elapsed_s)
        self._frame = frame

    def start(
        self,
        steps: Sequence[PlannedStep],
        targets: Sequence[DeviceTarget],
        settings: Settings,
        elapsed_s: float,
        step_s: float = 0.0,
    ) -> Callable[[], tuple[Residual, bool]]:
        """Begin the tick on the frame that was followed; each step stands for ``step_s``.

        Returns a function that waits for the residual, float32 (h, w, 3) in levels of 255, and for whether
        the dream was finite; what was not has not been taken over. The targets' weights sum to 1.
        """
        move, frame = self._move, self._frame
        assert move is not None
        assert frame is not None
        size = (frame.shape[0], frame.shape[1])
        strokes = sum(target.weight for target in targets if target.strokes)
        moved = not (move.first or move.other_view)
        maps_size = (move.maps.shape[1], move.maps.shape[2])
        steps = steps if targets else ()
        plan = make_plan(size, maps_size, steps, len(targets), settings, strokes, elapsed_s, moved)
        buffers = self._sized(plan, move.last)
        values = scalars(
            plan,
            steps,
            [target.weight for target in targets] if steps else [],
            settings,
            fades=move.fades,
            strokes=strokes,
            elapsed_s=elapsed_s,
            step_s=step_s,
        )
        buffers.give(frame, move, [step.shift for step in steps], values)
        found = {size: [target.gradients[size] for target in targets] for size in dict.fromkeys(plan.sizes)}
        gradients = [
            [buffers.bound(n, gradient) for n, gradient in enumerate(found[size])] for size in plan.sizes
        ]
        each = [gradient for size in found for gradient in found[size]]
        if all(gradient.recordable for gradient in each):
            key = buffers, plan, tuple((gradient.key, _shape(gradient.second)) for gradient in each)
            self._recorded(key, lambda: buffers.run(plan, gradients), buffers.written)
        else:
            buffers.run(plan, gradients)
        return buffers.fetch()

    def carried(self) -> tuple[Residual, Array]:
        """Residual and momentum, (h, w, 3), fetched from the device: this waits for it."""
        assert self._buffers is not None
        return self._buffers.carried()

    def _sized(self, plan: Plan, last: Image | None) -> _Buffers:
        """The tensors of this size; of another one, the dream and the ``last`` frame are resampled into them.

        Those of a few sizes are kept, with their recordings, as the governor goes back and forth.
        """
        key, old = (plan.size, plan.maps_size), self._buffers
        if old is not None and old is self._kept.get(key):
            return old
        if key not in self._kept:
            self._kept[key] = _Buffers(*key, self.device, self._streams)
            while len(self._kept) > _MOST_SIZES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        self._buffers = self._kept[key]
        if old is not None:
            residual, momentum = (resampled(a, plan.size[1], plan.size[0]) for a in old.carried())
            self._buffers.take(residual, momentum, last)
        elif self._given is not None:
            frame, residual = self._given[0], resampled(self._given[1], plan.size[1], plan.size[0])
            same = frame.shape[:2] == plan.size
            self._buffers.take(residual, np.zeros_like(residual), frame if same else last)
        self._given = None
        return self._buffers


class _Buffers:
    """The tensors that ticks of one size read and write: their addresses never change.

    A tick writes the dream itself, the residual to fetch, and the frame, which is the next tick's last one.
    """

    def __init__(self, size: Size, maps_size: Size, device: torch.device, streams: Streams | None) -> None:
        self.size, self.maps_size = size, maps_size
        self._device = device
        height, width = size
        self._dream = Dream(
            *(
                torch.zeros((1, 3, height, width), device=device).contiguous(
                    memory_format=torch.channels_last
                )
                for _ in range(2)
            )
        )
        self._frame = torch.zeros((height, width, 3), dtype=torch.uint8, device=device)
        self._before = torch.zeros_like(self._frame)
        self._residual = torch.zeros((height, width, 3), device=device)
        self._finite = torch.ones((), dtype=torch.bool, device=device)
        self._maps = torch.zeros((MAPS, *maps_size), device=device)
        self._small = torch.zeros(_SMALL, device=device)
        self._areas = Areas()
        #: The second inputs of gradients, by target and shape, each with the tensor that was copied there.
        self._seconds: dict[tuple[int, tuple[int, ...] | None], tuple[Tensor, Tensor | None]] = {}
        self.written = (*self._tensors(), self._before, self._residual, self._finite)
        self._give_frame = Upload(self._frame, streams)
        self._give_maps = Upload(self._maps, streams)
        self._give_small = Upload(self._small, streams)
        self._fetch_residual = Download(self._residual, streams)
        self._fetch_finite = Download(self._finite, streams)

    def _tensors(self) -> tuple[Tensor, Tensor]:
        return self._dream.residual, self._dream.momentum

    def give(self, frame: Image, move: Move, shifts: Sequence[tuple[int, int]], values: Array) -> None:
        """Upload a tick's inputs."""
        self._give_frame(frame)
        self._give_maps(move.maps)
        small = np.zeros(_SMALL, np.float32)
        small[: 2 * len(shifts)] = np.array(shifts, np.float32).ravel()
        small[_SCALARS_AT : _SCALARS_AT + len(values)] = values
        self._give_small(small)

    def bound(self, n: int, gradient: DeviceGradient) -> Gradient:
        """The gradient of target ``n`` as a function of the image; its second input gets a place here."""
        if gradient.second is None:
            return lambda image: gradient.run(image, None)
        key = n, _shape(gradient.second)
        if key not in self._seconds:
            self._seconds[key] = torch.empty_like(gradient.second), None
        place, held = self._seconds[key]
        if held is not gradient.second:
            place.copy_(gradient.second)
            self._seconds[key] = place, gradient.second
        return lambda image: gradient.run(image, place)

    def run(self, plan: Plan, gradients: Sequence[Sequence[Gradient]]) -> None:
        """One tick, in place."""
        shifts = self._small[: 2 * len(plan.sizes)].view(-1, 2).long()
        values = self._small[_SCALARS_AT : _SCALARS_AT + count_scalars(plan)]
        given = Given(self._frame, self._before, self._maps, shifts, values)
        dream, finite = tick(plan, gradients, self._dream, given, self._areas)
        for target, value in zip(self._tensors(), (dream.residual, dream.momentum), strict=True):
            target.copy_(value)
        self._residual.copy_(dream.residual[0].permute(1, 2, 0))
        self._finite.copy_(finite)
        self._before.copy_(self._frame)

    def fetch(self) -> Callable[[], tuple[Residual, bool]]:
        residual, finite = self._fetch_residual.start(), self._fetch_finite.start()
        return lambda: (residual(), bool(finite()))

    def carried(self) -> tuple[Residual, Array]:
        residual, momentum = (
            np.ascontiguousarray(tensor[0].permute(1, 2, 0).cpu().numpy()) for tensor in self._tensors()
        )
        return residual, momentum

    def take(self, residual: Residual, momentum: Array, last: Image | None) -> None:
        """Carry on this dream, which was of the frame ``last``."""
        if last is not None:
            self._before.copy_(torch.from_numpy(last))
        for tensor, array in zip(self._tensors(), (residual, momentum), strict=True):
            tensor.copy_(torch.from_numpy(array).permute(2, 0, 1)[None])


def _shape(tensor: Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)


#: The most sizes whose tensors are kept.
_MOST_SIZES = 3
#: Ticks cut a round of four octaves in as many ways, each a recording of its own.
_MOST_PLANS = 48
#: The most steps of a tick, and the numbers that go up with each: two shifts a step, then its scalars.
_MOST_STEPS = 64
_SCALARS_AT = 2 * _MOST_STEPS
_SMALL = _SCALARS_AT + 2 * _MOST_STEPS
