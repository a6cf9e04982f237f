"""Which runtimes to use: each is timed, and compared with PyTorch, on the same input."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cosine_similarity

#: What a gradient must reach against PyTorch's, in whatever precision.
LEAST_COSINE = 0.9
#: PyTorch must be faster by this factor: it also takes time from the rest of the process, the others do not.
PYTORCH_HANDICAP = 0.8
_ROUNDS = 10

Run = Callable[[], Tensor]


@dataclass(frozen=True)
class Measurement:
    """One runtime: the fastest of a few runs, in seconds, and the cosine of its gradient with PyTorch's."""

    time_s: float
    cosine: float
    error: str = ""


@dataclass(frozen=True)
class Ranking:
    """The runtimes worth using, the fastest first, and why others cannot be used."""

    order: list[str]
    excluded: dict[str, str]


def rank(pytorch_s: float, measured: Mapping[str, Measurement]) -> Ranking:
    """Order runtimes by their speed, without the wrong ones and those slower than PyTorch."""
    excluded = {}
    for name, found in measured.items():
        if found.error:
            excluded[name] = found.error
        elif not found.cosine > LEAST_COSINE:  # so written because NaN compares false
            excluded[name] = f"its gradient disagrees with PyTorch (cosine {found.cosine:.3f})"
    limit = pytorch_s / PYTORCH_HANDICAP
    fast = [name for name, found in measured.items() if name not in excluded and found.time_s < limit]
    return Ranking(sorted(fast, key=lambda name: measured[name].time_s), excluded)


def measure(
    pytorch: Run, runs: Mapping[str, Run], synchronise: Callable[[], object] = lambda: None
) -> tuple[float, dict[str, Measurement]]:
    """PyTorch's time in seconds, and the measurements of ``runs``, which take turns with it.

    The dream goes on meanwhile, so only the fastest run of each counts. ``synchronise`` waits for the GPU.
    """
    expected = pytorch().flatten()
    cosines, errors = {}, {}
    for name, run in runs.items():
        try:
            cosines[name] = float(cosine_similarity(run().flatten(), expected, 0))
        except Exception as error:  # each runtime has exceptions of its own
            errors[name] = f"it does not run: {error}"
    working = {"pytorch": pytorch} | {name: runs[name] for name in cosines}
    best = dict.fromkeys(working, math.inf)
    for _ in range(_ROUNDS):
        for name, run in working.items():
            start = time.perf_counter()
            run()
            synchronise()
            best[name] = min(best[name], time.perf_counter() - start)
    failed = {name: Measurement(math.inf, math.nan, error) for name, error in errors.items()}
    measured = {name: Measurement(best[name], cosine) for name, cosine in cosines.items()}
    return best["pytorch"], measured | failed
