"""One tick of the dream as a single function of a device's tensors.

It does what the tick on the CPU does (:mod:`livedream.dream.feedback`, :mod:`livedream.dream.dreamer`),
within rounding: moves the residual along with the picture, lets it fade, adds the steps of gradient ascent,
and keeps it within bounds. What differs from tick to tick comes in small tensors, what is the same for many
is in the *plan*; so each plan can be recorded once, as a CUDA graph. Nothing here waits for the device.
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
from livedream.dream.residual import END_HALF_LIFE_S, LIMIT_PER_S, LONGEST_PULL_S
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
    :class:`livedream.dream.device_motion.Move`; ``shifts`` int64 (steps, 2); ``scalars`` see :func:`scalars`.
    """

    frame: Tensor
    before: Tensor
    maps: Tensor
    shifts: Tensor
    scalars: Tensor


@dataclass(frozen=True)
class Dream:
    """What is carried on: ``residual`` in levels and ``momentum``, float32 (1, 3, h, w)."""

    residual: Tensor
    momentum: Tensor


#: The order of a tick's scalars; one reach for each step and one weight for each target follow.
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
        pulls=max(1, round(elapsed_s / LONGEST_PULL_S)),
    )


def scalars(
    plan: Plan,
    steps: Sequence[PlannedStep],
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
        "step": settings.step_size / 255,
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
    reaches = [step.reach for step in steps]
    return np.array([*(values[name] for name in _NAMES), *reaches, *weights], np.float32)


def count_scalars(plan: Plan) -> int:
    """The length of a tick's :func:`scalars`."""
    return len(_NAMES) + len(plan.sizes) + plan.targets


def tick(
    plan: Plan, gradients: Sequence[Sequence[Gradient]], dream: Dream, given: Given, areas: Areas
) -> tuple[Dream, Tensor]:
    """The dream after one tick, and whether it is finite, a boolean scalar on the device.

    ``gradients[n]`` are the targets' gradients at the size of step ``n``. A dream that would not be finite is
    not taken over: only moved along, and faded. ``areas`` must live as long as a recording of this.
    """
    value = dict(zip(_NAMES, given.scalars.unbind(), strict=False))
    frame = _image(given.frame)
    maps = enlarged(given.maps[None], plan.size)
    moved = _moved(plan, dream, given, frame, maps, value, areas)
    dreamt, finite = moved, torch.ones((), dtype=torch.bool, device=frame.device)
    if plan.sizes:
        found = _ascended(plan, gradients, moved, given, frame, maps, value, areas)
        finite = found.residual.sum().isfinite()
        dreamt = Dream(
            torch.where(finite, found.residual, moved.residual),
            torch.where(finite, found.momentum, moved.momentum),
        )
    residual = dreamt.residual - value["wash"] * washes(dreamt.residual, areas)
    residual = soft_limit(residual, value["knee"], value["pull"])
    residual = within_range(residual, frame, value["end"], plan.pulls)
    return Dream(residual, dreamt.momentum), finite


def _image(pixels: Tensor) -> Tensor:
    """uint8 (h, w, 3) as float32 (1, 3, h, w), channels last in memory."""
    return pixels.float().permute(2, 0, 1)[None]


def _moved(
    plan: Plan,
    dream: Dream,
    given: Given,
    frame: Tensor,
    maps: Tensor,
    value: dict[str, Tensor],
    areas: Areas,
) -> Dream:
    flow, keep, lasting = maps[:, :2], maps[:, 2:3], maps[:, 5:6]
    carried = [dream.residual, dream.momentum, *([_image(given.before)] if plan.fed_back else [])]
    cubic_share = CUBIC * (1 - value["feedback"])
    found = warped(torch.cat(carried, 1), flow, sharp=3, cubic_share=cubic_share)
    residual, momentum, *image = torch.split(found, 3, 1)
    fades = [value[f"fade {n}"] for n in range(len(LASTS))]
    mirrored = lasting * scaled_by_band(residual, fades, areas)
    if plan.fed_back:
        # The camera's image is of whole levels, also where it is warped.
        dreamt = image[0].round() + residual
        ground = washes(dreamt, areas)
        ground = ground + value["ground"] * (washes(frame, areas) - ground)
        fed_back = ground + fades[-1] * lasting * (dreamt - ground) - frame
        mirrored = mirrored + value["feedback"] * (fed_back - mirrored)
    return Dream(mirrored, keep * momentum)


def _ascended(
    plan: Plan,
    gradients: Sequence[Sequence[Gradient]],
    dream: Dream,
    given: Given,
    frame: Tensor,
    maps: Tensor,
    value: dict[str, Tensor],
    areas: Areas,
) -> Dream:
    reaches, weights = torch.split(given.scalars[len(_NAMES) :], [len(plan.sizes), plan.targets])
    novelty, plain, reach = maps[:, 3:4], maps[:, 4:5], maps[:, 6:7]
    attack, calm = 1 + value["attack"] * novelty, 1 - value["shorter"] * plain * (1 - novelty)
    lengths = attack * calm * value["step"] * reach
    kept = (1 - novelty.square()) ** value["unlearn"] * value["momentum"]
    base = frame / 255
    x, momentum = base + dream.residual / 255, dream.momentum
    strokes = value["strokes"] if plan.strokes else None
    for n, size in enumerate(plan.sizes):
        rows, columns = given.shifts[n].unbind()
        image = rolled(resized(x, size, areas), rows, columns)
        found = [gradient(image) for gradient in gradients[n]]
        mixed = found[0] * weights[0]
        for direction, weight in zip(found[1:], weights[1:], strict=True):
            mixed = mixed + weight * direction
        direction = shaped(rolled(mixed, -rows, -columns), plan.shaping, strokes, areas) * reaches[n]
        momentum = torch.lerp(resized(direction, plan.size, areas), momentum, kept)
        x = x + lengths * momentum
    return Dream((x - base) * 255, momentum)
