"""One tick of the dream as functions of a device's tensors: its beginning, each of its steps, and its end.

It does what the tick on the CPU does (:mod:`livedream.dream.feedback`, :mod:`livedream.dream.dreamer`),
within rounding: moves the residual along with the picture, lets it fade, adds the steps of gradient ascent,
and keeps it within bounds. What differs from tick to tick comes in small tensors, what is the same for many
is in the *plan*; so each part can be recorded once, as a CUDA graph: ticks are cut in many ways, but of few
parts. Nothing here waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from livedream.curves import decay
from livedream.dream.ascent import PlannedStep
from livedream.dream.device_operations import (
    Areas,
    enlarged,
    resized,
    rolled,
    scaled_by_band,
    shaped,
    soft_limit,
    warped,
    washes,
    within_range,
)
from livedream.dream.feedback import LASTS, SHORTER, UNLEARN_S, WASH_S
from livedream.dream.residual import END_HALF_LIFE_S, LIMIT_PER_S, pulls_in
from livedream.frame import Array
from livedream.settings import Settings
from livedream.vision.flow import CUBIC

#: From an image (1, 3, h, w) in [0, 1] to a direction of mean absolute value 1.
Gradient = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Plan:
    """What is the same for many ticks, so that they run the same operations.

    ``size`` is (height, width); ``sizes`` those of the steps; ``targets`` how many gradients are mixed;
    ``strokes``: some of them see only strokes; ``fed_back``: the dreamt image is fed back; ``pulls`` how
    often the residual is drawn back from black and white.
    """

    size: tuple[int, int]
    maps_size: tuple[int, int]
    sizes: tuple[tuple[int, int], ...]
    targets: int
    shaping: str
    strokes: bool
    fed_back: bool
    pulls: int


@dataclass(frozen=True)
class Given:
    """A tick's inputs on the device.

    ``frame`` and ``before`` are uint8 (h, w, 3), the latter only needed when fed back; ``maps`` as in
    :class:`livedream.dream.device_motion.Move`; ``scalars`` see :func:`scalars`.
    """

    frame: Tensor
    before: Tensor
    maps: Tensor
    scalars: Tensor


@dataclass(frozen=True)
class Dream:
    """What is carried on: ``residual`` in levels and ``momentum``, float32 (1, 3, h, w)."""

    residual: Tensor
    momentum: Tensor


@dataclass(frozen=True)
class Ascent:
    """What the steps of a tick need to know of each pixel: their ``lengths`` in levels, and how much of the
    momentum is ``kept`` from one to the next. Both are float32 (1, 1, h, w)."""

    lengths: Tensor
    kept: Tensor


@dataclass(frozen=True)
class Step:
    """One step's inputs: its ``shift`` (2,), int64, and its ``reach`` (1,)."""

    shift: Tensor
    reach: Tensor


#: The order of a tick's scalars; one weight for each target follows.
_NAMES = (
    *(f"fade {n}" for n in range(len(LASTS))),
    "feedback",
    "attack",
    "step",
    "shorter",
    "unlearn",
    "momentum",
    "strokes",
    "wash",
    "ground",
    "knee",
    "pull",
    "end",
)


def make_plan(
    size: tuple[int, int],
    maps_size: tuple[int, int],
    steps: Sequence[PlannedStep],
    targets: int,
    settings: Settings,
    strokes: float,
    elapsed_s: float,
    moved: bool,
) -> Plan:
    """The plan of a tick; ``moved``: there was a frame of the same size before."""
    return Plan(
        size=size,
        maps_size=maps_size,
        sizes=tuple(step.size for step in steps),
        targets=targets if steps else 0,
        shaping=settings.gradient_shaping,
        strokes=strokes > 0,
        fed_back=settings.feedback > 0 and moved,
        pulls=pulls_in(elapsed_s),
    )


def scalars(
    plan: Plan,
    weights: Sequence[float],
    settings: Settings,
    *,
    fades: Sequence[float],
    strokes: float,
    elapsed_s: float,
    step_s: float,
) -> Array:
    """What a tick needs of the settings and of its duration, as one float32 array."""
    limit = settings.residual_limit + (255 - settings.residual_limit) * settings.feedback
    values = {
        **{f"fade {n}": fade for n, fade in enumerate(fades)},
        "feedback": settings.feedback,
        "attack": settings.attack - 1,
        "step": settings.step_size,
        "shorter": SHORTER * (1 - settings.feedback),
        "unlearn": step_s / UNLEARN_S,
        "momentum": decay(settings.momentum_s, step_s),
        "strokes": strokes,
        "wash": 1 - decay(WASH_S, elapsed_s * (1 - settings.feedback)),
        "ground": 1 - decay(WASH_S, elapsed_s),
        "knee": limit / 2,
        "pull": LIMIT_PER_S * elapsed_s,
        "end": decay(END_HALF_LIFE_S, elapsed_s / plan.pulls),
    }
    return np.array([*(values[name] for name in _NAMES), *weights], np.float32)


def begin(
    size: tuple[int, int], fed_back: bool, dream: Dream, given: Given, areas: Areas
) -> tuple[Dream, Ascent]:
    """The last tick's dream, moved along with the picture and faded; and what the steps need.

    ``areas`` must live as long as a recording of this.
    """
    value, frame = _values(given.scalars), _image(given.frame)
    maps = enlarged(given.maps[None], size)
    flow, keep, lasting = maps[:, :2], maps[:, 2:3], maps[:, 5:6]
    carried = [dream.residual, dream.momentum, *([_image(given.before)] if fed_back else [])]
    cubic_share = CUBIC * (1 - value["feedback"])
    found = warped(torch.cat(carried, 1), flow, sharp=3, cubic_share=cubic_share)
    residual, momentum, *image = torch.split(found, 3, 1)
    fades = [value[f"fade {n}"] for n in range(len(LASTS))]
    mirrored = lasting * scaled_by_band(residual, fades, areas)
    if fed_back:
        # The camera's image is of whole levels, also where it is warped.
        dreamt = image[0].round() + residual
        ground = washes(dreamt, areas)
        ground = ground + value["ground"] * (washes(frame, areas) - ground)
        back = ground + fades[-1] * lasting * (dreamt - ground) - frame
        mirrored = mirrored + value["feedback"] * (back - mirrored)
    return Dream(mirrored, keep * momentum), _ascent(maps, value)


def _ascent(maps: Tensor, value: dict[str, Tensor]) -> Ascent:
    novelty, plain, reach = maps[:, 3:4], maps[:, 4:5], maps[:, 6:7]
    attack, calm = 1 + value["attack"] * novelty, 1 - value["shorter"] * plain * (1 - novelty)
    kept = (1 - novelty.square()) ** value["unlearn"] * value["momentum"]
    return Ascent(attack * calm * value["step"] * reach, kept)


def ascend(
    plan: Plan,
    size: tuple[int, int],
    gradients: Sequence[Gradient],
    dream: Dream,
    ascent: Ascent,
    step: Step,
    given: Given,
    areas: Areas,
) -> Dream:
    """The dream after one step at ``size`` (height, width), along the targets' ``gradients`` there."""
    value, weights = _values(given.scalars), given.scalars[len(_NAMES) :]
    rows, columns = step.shift.unbind()
    x = (_image(given.frame) + dream.residual) / 255
    image = rolled(resized(x, size, areas), rows, columns)
    mixed = gradients[0](image) * weights[0]
    for n, gradient in enumerate(gradients[1:], 1):
        mixed = mixed + weights[n] * gradient(image)
    strokes = value["strokes"] if plan.strokes else None
    direction = shaped(rolled(mixed, -rows, -columns), plan.shaping, strokes, areas) * step.reach
    momentum = torch.lerp(resized(direction, plan.size, areas), dream.momentum, ascent.kept)
    return Dream(dream.residual + ascent.lengths * momentum, momentum)


def end(pulls: int, moved: Dream, found: Dream, given: Given, areas: Areas) -> tuple[Dream, Tensor]:
    """The dream after a tick, and whether what its steps ``found`` is finite, a boolean scalar on the device.

    A dream that would not be finite is not taken over: only ``moved`` along, and faded.
    """
    value, frame = _values(given.scalars), _image(given.frame)
    finite = found.residual.sum().isfinite()
    residual, momentum = (
        torch.where(finite, a, b)
        for a, b in ((found.residual, moved.residual), (found.momentum, moved.momentum))
    )
    residual = residual - value["wash"] * washes(residual, areas)
    residual = soft_limit(residual, value["knee"], value["pull"])
    return Dream(within_range(residual, frame, value["end"], pulls), momentum), finite


def _values(scalars: Tensor) -> dict[str, Tensor]:
    return dict(zip(_NAMES, scalars[: len(_NAMES)].unbind(), strict=True))


def _image(pixels: Tensor) -> Tensor:
    """uint8 (h, w, 3) as float32 (1, 3, h, w), channels last in memory."""
    return pixels.float().permute(2, 0, 1)[None]
