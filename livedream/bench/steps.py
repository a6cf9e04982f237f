"""Gradient steps: every runtime with a layer at a size, taking turns."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from livedream.bench.machine import Ceiling, ceiling_of
from livedream.bench.operations import count
from livedream.bench.report import StepRow
from livedream.bench.subjects import EAGER, Subject, Subjects
from livedream.bench.timing import take_turns
from livedream.errors import LivedreamError

log = logging.getLogger(__name__)


def measure_steps(
    subjects: Subjects,
    network: str,
    layer: str,
    size: tuple[int, int],
    *,
    wanted: Collection[str],
    ceilings: Sequence[Ceiling],
    seconds: float,
) -> tuple[list[StepRow], list[str]]:
    """A row for each runtime in ``wanted`` (all that there are, when it is empty), and why others have none.

    Plain PyTorch is measured where it is installed in any case: the others are compared with it.
    """
    opened: dict[str, Subject] = {}
    missing = []
    for runtime in dict.fromkeys((*subjects.runtimes, *wanted)):
        asked = not wanted or runtime in wanted
        if not asked and runtime != EAGER:
            continue
        try:
            subject = subjects.open(runtime, layer, size)
            subject.step()
            opened[runtime] = subject
        except LivedreamError as error:
            missing.append(f"{network} {layer} in {runtime}: {error}")
        except ImportError as error:
            missing.append(f"{network} {layer} in {runtime}: not installed ({error.name or error})")
        except Exception as error:  # each runtime has exceptions of its own
            missing.append(f"{network} {layer} in {runtime}: it does not run: {error}")
    times = take_turns({name: subject.step for name, subject in opened.items()}, seconds)
    operations = _operations(opened, size)
    eager = times.get(EAGER)
    rows = []
    for runtime, subject in opened.items():
        if wanted and runtime not in wanted:
            continue
        ms = times[runtime]
        ceiling = ceiling_of(list(ceilings), subject.device, subject.precision)
        known = operations is not None and ceiling is not None
        rows.append(
            StepRow(
                network,
                layer,
                *size,
                runtime,
                round(ms, 4),
                None if eager is None else round(eager / ms, 3),
                round((operations or 0) / (ms * 1e6) / (ceiling or 1), 4) if known else None,
                subject.name,
            )
        )
    if rows and operations is None:
        missing.append(f"{network} {layer}: the fraction of the ceiling; no runtime counts the operations")
    return rows, missing


def _operations(opened: dict[str, Subject], size: tuple[int, int]) -> int | None:
    graph = next((subject.graph for subject in opened.values() if subject.graph is not None), None)
    return None if graph is None else count(graph, size)
