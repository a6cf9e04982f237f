"""Which runtimes to use: each is timed, and compared with the most trusted one, on the same input.

The order found is kept in the user's cache, so that a machine measures once.
"""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from livedream.errors import LivedreamError
from livedream.files import replace_file
from livedream.frame import Array
from livedream.places import create

log = logging.getLogger(__name__)

#: The least cosine with the trusted gradient, whatever the precision: bf16 reaches 0.97.
LEAST_COSINE = 0.9
#: PyTorch must be faster by this factor, since it also slows down the rest of the process.
PYTORCH_HANDICAP = 0.8
#: Whose gradient is right when two differ: autograd's, else that of the runtime that computes in fp32.
TRUSTED = ("pytorch", "onnxruntime")
_ROUNDS = 10
_LONGEST_BYTES = 1 << 16

Run = Callable[[], Array]


@dataclass(frozen=True)
class Measurement:
    """A runtime's fastest run in seconds, and the cosine between its gradient and the trusted one."""

    time_s: float
    cosine: float
    error: str = ""


@dataclass(frozen=True)
class Ranking:
    """The runtimes worth using, the fastest first, and why others cannot be used."""

    order: list[str]
    excluded: dict[str, str]


def rank(measured: Mapping[str, Measurement]) -> Ranking:
    """Order runtimes by speed, without those that are wrong or slower than PyTorch, if that was measured."""
    judge = next((name for name in TRUSTED if name in measured and not measured[name].error), "the others")
    excluded = {}
    for name, found in measured.items():
        if found.error:
            excluded[name] = found.error
        elif not found.cosine > LEAST_COSINE:  # not <=, for which NaN would pass
            excluded[name] = f"its gradient disagrees with {judge} (cosine {found.cosine:.3f})"
    pytorch = measured.get("pytorch")
    limit = math.inf if pytorch is None or pytorch.error else pytorch.time_s / PYTORCH_HANDICAP
    fast = [
        name
        for name, found in measured.items()
        if name not in excluded and name != "pytorch" and found.time_s < limit
    ]
    return Ranking(sorted(fast, key=lambda name: measured[name].time_s), excluded)


def measure(openings: Mapping[str, Callable[[], Run]]) -> dict[str, Measurement]:
    """The measurement of each runtime, by name: ``openings`` open it, one after the other to save memory.

    The dream goes on meanwhile, so only the fastest run of each counts.
    """
    gradients, times, failed = {}, {}, {}
    for name, opening in openings.items():
        try:
            run = opening()
            gradients[name], times[name] = run().ravel(), _fastest_s(run)
            del run
        except Exception as error:  # each runtime has exceptions of its own
            gradients.pop(name, None)
            failed[name] = Measurement(math.inf, math.nan, str(error))
    expected = next((gradients[name] for name in TRUSTED if name in gradients), None)
    found = {
        name: Measurement(times[name], _cosine(gradient, gradient if expected is None else expected))
        for name, gradient in gradients.items()
    }
    return found | failed


def _fastest_s(run: Run) -> float:
    best = math.inf
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def _cosine(a: Array, b: Array) -> float:
    a, b = (x.astype(np.float64) for x in (a, b))
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else math.nan


def remembered(file: Path, what: str) -> list[str]:
    """The order measured for ``what`` on this machine, with these runtimes; empty if there is none."""
    try:
        with file.open("rb") as opened:
            found = json.loads(opened.read(_LONGEST_BYTES))
        order = found["orders"].get(what, []) if found["machine"] == _machine() else []
        return [str(name) for name in order]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.warning("%s cannot be read, measuring again: %s", file, error)
        return []


def remember(file: Path, what: str, order: Sequence[str]) -> None:
    """Keep the order measured for ``what``. Where it cannot be written, it will be measured again."""
    machine = _machine()
    try:
        found = json.loads(file.read_bytes())
        orders = dict(found["orders"]) if found["machine"] == machine else {}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        orders = {}
    orders[what] = list(order)
    try:
        create(file.parent)
        replace_file(file, json.dumps({"machine": machine, "orders": orders}, indent=1).encode() + b"\n")
    except (LivedreamError, OSError) as error:
        log.warning("the order of the runtimes is not kept: %s", error)


def _machine() -> str:
    """What the speed of a runtime depends on: the processor, and the versions of the runtimes."""
    versions = [f"{name} {_version(name)}" for name in ("openvino", "onnxruntime", "onnxruntime-gpu")]
    return ", ".join([platform.system(), _processor(), f"{os.cpu_count()} cores", *versions])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "none"
