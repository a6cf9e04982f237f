"""The same video dreamt at several tick rates: strength and change must not depend on the rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.errors import UsageError
from livedream.frame import Image, resize
from livedream.settings import Settings
from tests.bench.measures import strength

#: Frames a second of the video, and the tick rate at which a dream takes ``settings.steps``.
FPS = 30
#: Seconds after the start at which dreams are compared.
AT_S = (1, 3, 6)
#: Each figure is a mean over outputs at these offsets: a single one depends on its jitter.
_OFFSETS_S = (-0.4, -0.2, 0.0)


@dataclass
class Rated:
    """A dream at one tick rate, by the seconds in ``AT_S``."""

    strength: dict[int, float] = field(default_factory=dict)
    rms_change: dict[int, float] = field(default_factory=dict)  # levels
    images: list[Image] = field(default_factory=list)


def dreamt_at(
    rate_hz: int, frames: Sequence[Image], dreamer: Dreamer, settings: Settings, layer: str
) -> Rated:
    """Dream ``rate_hz`` ticks a second, each on the newest of ``frames``, as the mirror does.

    The number of steps a second is that of ``settings.steps`` at 30 ticks a second; the dreamer itself takes
    no more of them in shorter ticks. Raises ``UsageError`` when that does not divide.
    """
    steps, rest = divmod(settings.steps * FPS, min(rate_hz, FPS))
    if rest:
        raise UsageError(f"{settings.steps * FPS} steps a second do not divide into {rate_hz} ticks")
    settings = settings.replace(steps=steps)
    wanted = {round((at + offset) * rate_hz): at for at in AT_S for offset in _OFFSETS_S}
    found: dict[int, list[tuple[float, float]]] = {at: [] for at in AT_S}
    rated = Rated()
    dreamer.reset()
    for n in range(AT_S[-1] * rate_hz + 1):
        frame = frames[n * FPS // rate_hz]
        residual = dreamer.tick(frame, settings, time_s=n / rate_hz)
        if n not in wanted:
            continue
        camera = resize(frame, residual.shape[1], residual.shape[0])
        output = np.clip(camera + residual, 0, 255).astype(np.uint8)
        rms = float(np.sqrt(np.square(output - camera.astype(np.float32)).mean()))
        found[wanted[n]].append((strength(dreamer.backend, layer, output, camera), rms))
        if n == wanted[n] * rate_hz:
            rated.images.append(output)
    for at, pairs in found.items():
        rated.strength[at], rated.rms_change[at] = np.mean(pairs, 0).tolist()
    return rated
