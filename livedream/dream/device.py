"""A dream that lives on a device: the picture's motion goes in, the residual comes out, the rest stays there.

For GPUs; on the CPU, where every machine can test it, it dreams the same, only slower than OpenCV does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from livedream.dream.ascent import PlannedStep
from livedream.dream.device_batch import Batches, Tick
from livedream.dream.device_motion import Motion, Move
from livedream.dream.device_rows import Rows, Size, small_inputs
from livedream.dream.device_tick import Plan, make_plan, scalars
from livedream.dream.resampling import resampled
from livedream.dream.residual import Residual
from livedream.frame import Array, Image
from livedream.runtimes.cuda_graphs import CaptureInPlace, Recorded
from livedream.runtimes.on_device import DeviceGradient
from livedream.runtimes.recording_budget import Budget
from livedream.runtimes.transfers import Download, Streams, Upload, streams_of
from livedream.settings import Settings


@dataclass(frozen=True)
class DeviceTarget:
    """One target of the mix: its ``weight``, its ``gradients`` by size (height, width), whether its layer
    sees only ``strokes``, and that ``layer``'s name, which dreams that may tick together have in common."""

    weight: float
    gradients: Mapping[Size, DeviceGradient]
    strokes: bool = False
    layer: Hashable = None


class DeviceDream:
    """Residual and momentum on ``device``, carried from frame to frame.

    In each tick call :meth:`follow`, then :meth:`start`, whose result waits for the residual. The host may
    prepare the next tick before that. Raises whatever the device raises; see
    :mod:`livedream.runtimes.device_errors`. With ``batches`` its ticks run together with those of others.
    """

    def __init__(
        self,
        device: torch.device,
        recorded: Recorded | None = None,
        streams: Streams | None = None,
        batches: Batches | None = None,
    ) -> None:
        self.device = device
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # of this thread: CUDA graphs are captured on the current one
        # Many that wait for the device at the same time must leave the cores to those that do not.
        self._streams = streams_of(device, idle=batches is not None) if streams is None else streams
        capture = CaptureInPlace() if device.type == "cuda" else None
        self._recorded = Recorded(device, capture, _MOST_PARTS, Budget()) if recorded is None else recorded
        self._shared = None if batches is None else (batches, batches.member())
        self._motion = Motion()
        self._move: Move | None = None
        self._frame: Image | None = None
        self._buffers: _Buffers | None = None
        self._kept: OrderedDict[tuple[Size, Size], _Buffers] = OrderedDict()
        self._given: tuple[Image, Residual] | None = None

    @property
    def recording(self) -> bool:
        """Whether ticks are CUDA graphs."""
        return self._recorded.working if self._shared is None else self._shared[0].recording

    @property
    def novelty(self) -> float:
        """How new the dream is, 0 to 1, in the mean."""
        return float(self._motion.novelty.mean())

    def forget(self) -> None:
        """Begin anew with the next frame; what is recorded stays."""
        self._motion, self._given = Motion(), None
        for (size, _), buffers in self._kept.items():
            nothing = np.zeros((*size, 3), np.float32)
            buffers.take(nothing, nothing, None)

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
            [target.weight for target in targets] if steps else [],
            settings,
            fades=move.fades,
            strokes=strokes,
            elapsed_s=elapsed_s,
            step_s=step_s,
        )
        buffers.give(frame, move.maps, small_inputs(steps, values))
        gradients = [[target.gradients[size] for target in targets] for size in plan.sizes]
        rows = buffers.rows
        if self._shared is not None:
            batches, member = self._shared
            kind = size, plan.shaping, *(target.layer for target in targets)
            batches(member, Tick(rows, plan, gradients, kind))
            return buffers.fetch()
        rows.hold(gradients)
        self._recorded.run(rows.parts(plan, gradients))
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
    """The tensors of one dream at one size, and the ways there and back."""

    def __init__(self, size: Size, maps_size: Size, device: torch.device, streams: Streams | None) -> None:
        self.rows = rows = Rows(1, size, maps_size, device)
        self._give_frame = Upload(rows.frame[0], streams)
        self._give_maps = Upload(rows.maps[0], streams)
        self._give_small = Upload(rows.small[0], streams)
        self._fetch_residual = Download(rows.found[0], streams)
        self._fetch_finite = Download(rows.finite[0], streams)

    def give(self, frame: Image, maps: Array, small: Array) -> None:
        """Upload a tick's inputs."""
        self._give_frame(frame)
        self._give_maps(maps)
        self._give_small(small)

    def fetch(self) -> Callable[[], tuple[Residual, bool]]:
        residual, finite = self._fetch_residual.start(), self._fetch_finite.start()
        return lambda: (residual(), bool(finite()))

    def carried(self) -> tuple[Residual, Array]:
        residual, momentum = (
            np.ascontiguousarray(tensor[0].permute(1, 2, 0).cpu().numpy())
            for tensor in (self.rows.residual, self.rows.momentum)
        )
        return residual, momentum

    def take(self, residual: Residual, momentum: Array, last: Image | None) -> None:
        """Carry on this dream, which was of the frame ``last``."""
        if last is not None:
            self.rows.before.copy_(torch.from_numpy(last)[None])
        for tensor, array in ((self.rows.residual, residual), (self.rows.momentum, momentum)):
            tensor.copy_(torch.from_numpy(array).permute(2, 0, 1)[None])


#: The most sizes whose tensors are kept.
_MOST_SIZES = 3
#: Of each size and each mix of layers there are about eight parts of ticks, each a recording of its own.
_MOST_PARTS = 48
