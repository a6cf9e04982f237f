"""Ticks of several dreams on one device as one batch, and each recorded once for all of them.

A tick of a small picture leaves most of a graphics card idle: its time goes into starting kernels. Those that
do the same to different tensors are started once for several dreams.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from livedream.dream.device_rows import Gradients, Rows, Size, copy_all, flat, keys_of
from livedream.dream.device_tick import Plan
from livedream.dream.gathering import Gathering, Member
from livedream.dream.in_step import InStep
from livedream.runtimes.cuda_graphs import CaptureInPlace, Recorded
from livedream.runtimes.device_errors import reason_of
from livedream.runtimes.recording_budget import Budget
from livedream.timing import now_s

log = logging.getLogger(__name__)

#: So many rows a batch may have: those that remain empty are computed for nothing.
COUNTS = (1, 2, 4, 8)
#: So long a tick waits for others at most.
WAIT_S = 0.002
#: While one layer fades into another, what is recorded is soon of no more use.
_WORTH = 6
#: The most sets of tensors that are kept, by count and size.
_MOST_ROWS = 12
#: Of each size and each mix of layers there are about eight parts of ticks, for each count of rows.
_MOST_RECORDED = 48 * len(COUNTS)
#: So many seconds of recording may be spent at once, as all dreams wait meanwhile.
_CREDIT_S = 1.0


@dataclass(eq=False)
class Tick:
    """A tick of one dream: its tensors, ``rows`` of one, and what is done to them.

    ``kind`` is what its next ticks have in common with it, wherever in the round of octaves they will be;
    ``error`` what went wrong with it alone.
    """

    rows: Rows
    plan: Plan
    gradients: Gradients
    kind: Hashable = None
    error: Exception | None = None

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Ticks of equal keys run the same operations."""
        return self.plan, keys_of(self.gradients)


class Batches:
    """The ticks of all dreams of this process on ``device``: each thread calls it with its own.

    Ticks of equal keys that come within ``wait_s`` of each other, or while the device is busy, run together
    once that has been possible ``worth`` times: a batch is recorded, too, and meanwhile nothing else runs.
    Recordings take a small share of the time; a batch that would have to go without is run one by one.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        wait_s: float = WAIT_S,
        most: int = COUNTS[-1],
        worth: int = _WORTH,
        recorded: Recorded | None = None,
        clock: Callable[[], float] = now_s,
    ) -> None:
        self.device = device
        #: What brings dreams into step, for their planners.
        self.in_step = InStep(clock)
        if recorded is None:
            capture = CaptureInPlace() if device.type == "cuda" else None
            recorded = Recorded(device, capture, _MOST_RECORDED, Budget(credit_s=_CREDIT_S, clock=clock))
        self._recorded = recorded
        self._gathering = Gathering(self._run, most=most, wait_s=wait_s, clock=clock)
        self._rows: OrderedDict[tuple[int, Size, Size], Rows] = OrderedDict()
        self._alone: set[Hashable] = set()
        self._worth = worth
        self._met: Counter[Hashable] = Counter()

    @property
    def recording(self) -> bool:
        """Whether ticks are CUDA graphs."""
        return self._recorded.working

    @property
    def sizes(self) -> Counter[int]:
        """How many batches there were so far, by their number of ticks."""
        return self._gathering.sizes

    def member(self) -> Member:
        """What one dream calls this with."""
        return self._gathering.member()

    def __call__(self, member: Member, tick: Tick) -> None:
        """Begin ``tick``: what it writes is there for whatever the device is told to do next.

        Raises what the device raises at this tick.
        """
        key = tick.key
        batchable = all(gradient.batchable for gradient in flat(tick.gradients))
        alone = not batchable or key in self._alone
        self._gathering(member, key, tick.kind, tick, alone)
        if tick.error is not None:
            raise tick.error

    def _run(self, ticks: Sequence[Tick]) -> Callable[[], None]:
        """Begin ``ticks`` of equal keys; a function that waits until they are done."""
        if self.device.type != "cuda":
            self._begin(ticks)
            return lambda: None
        with torch.cuda.device(self.device):
            self._begin(ticks)
            done: Any = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            done.record()
        return lambda: done.synchronize()

    def _begin(self, ticks: Sequence[Tick]) -> None:
        if len(ticks) > 1 and self._is_worth(ticks):
            try:
                self._together(ticks)
                return
            except RuntimeError as error:  # CUDA's are such, and so is too little memory
                log.warning("a batch of %d ticks failed, each goes alone: %s", len(ticks), reason_of(error))
                self._alone.add(ticks[0].key)
        for tick in ticks:
            try:
                self._together([tick])
            except Exception as error:
                tick.error = error

    def _together(self, ticks: Sequence[Tick]) -> None:
        first = ticks[0]
        plan, gradients = first.plan, first.gradients
        rows = self._rows_of(len(ticks), first.rows)
        pairs = [pair for n, tick in enumerate(ticks) for pair in rows.seconds(n, tick.gradients)]
        for n, tick in enumerate(ticks):
            pairs += zip(rows.inputs(n), tick.rows.inputs(0), strict=True)
        copy_all(pairs)
        self._recorded.run(rows.parts(plan, gradients))
        copy_all(
            pair
            for n, tick in enumerate(ticks)
            for pair in zip(tick.rows.outputs(0), rows.outputs(n), strict=True)
        )

    def _is_worth(self, ticks: Sequence[Tick]) -> bool:
        first = ticks[0]
        self._met[first.key] += 1
        if len(self._met) > 4 * _MOST_RECORDED:
            self._met.clear()
        if self._met[first.key] < self._worth:
            return False
        rows = self._rows_of(len(ticks), first.rows)
        rows.seconds(0, first.gradients)
        return self._recorded.affords(rows.parts(first.plan, first.gradients))

    def _rows_of(self, ticks: int, like: Rows) -> Rows:
        """Tensors with room for so many ticks of one size."""
        key = next(count for count in COUNTS if count >= ticks), like.size, like.maps_size
        if key not in self._rows:
            self._rows[key] = Rows(*key, self.device)
            while len(self._rows) > _MOST_ROWS:
                self._rows.popitem(last=False)
        self._rows.move_to_end(key)
        return self._rows[key]
