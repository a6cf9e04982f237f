"""The dreamer: takes frame after frame, dreams a little on each, and carries the dream along."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from livedream.channels import RANKS, parse_channels
from livedream.curves import decay
from livedream.dream.ascent import classic_dream, even_shift, jittered, octave_size, quickly_resized
from livedream.dream.feedback import Feedback
from livedream.dream.guides import Guides
from livedream.dream.journey import Journey
from livedream.dream.residual import Residual
from livedream.dream.shaping import shaped
from livedream.dream.targets import Crossfade, LayerKey, Mix, Target, sees_strokes, target_mix, whole
from livedream.frame import Array, Image, crop_to_aspect, resize, working_size
from livedream.networks.objective import Objective, active_channels
from livedream.runtimes.base import Backend
from livedream.runtimes.exported import open_backend
from livedream.runtimes.pytorch import choose_device
from livedream.settings import Settings
from livedream.timing import SectionTimer

log = logging.getLogger(__name__)

#: How long a list of the most active channels stays valid; after that the image is another one.
_RANKING_S = 20.0
#: Above this mean novelty the whole dream is new.
_NEW = 0.35
#: The least novelty while one target fades to another.
_FADING_NOVELTY = 0.13
#: What a tick is taken to last when nothing says so, and at most, so that nothing leaps after a pause.
_USUAL_TICK_S, _LONGEST_TICK_S = 1 / 30, 0.5
#: Where a dream is new it loses its momentum: the fraction novelty² of it in each such time, in seconds.
_UNLEARN_S = 1 / 60


class Dreamer:
    """Dreams on frames in order, in this process.

    ``dreamer(image, settings)`` returns the dreamt image, RGB uint8 in and out, at the image's own size.
    :meth:`tick` returns only the residual, at working size; that is what the mirror uses. The result depends
    only on the frames, their times, the settings and ``seed``.

    ``backend``, ``auto`` or a name of :data:`livedream.runtimes.names.BACKENDS`, runs the network on
    ``threads`` threads. With ``wait`` the first tick at each layer and size waits until that is prepared;
    without it, PyTorch dreams until then.

    Raises ``UsageError`` for an unknown network, layer or device, ``NetworkError`` for unusable weights.
    """

    def __init__(
        self,
        network: str = "dreamnet",
        *,
        weights: Path | str | None = None,
        device: str = "auto",
        seed: int = 0,
        backend: str = "pytorch",
        threads: int = 1,
        wait: bool = True,
    ) -> None:
        self._device = choose_device(device)
        self._open = functools.partial(
            open_backend, device=self._device, runtime=backend, threads=threads, wait=wait
        )
        self._backends: dict[str, Backend] = {}
        #: Layers by (network, name): those that work, and what is wrong with those that gave NaN, which are
        #: not dreamt until they are removed from here.
        self.sound: set[LayerKey] = set()
        self.faults: dict[LayerKey, str] = {}
        self.default_network = network
        self.add_network(network, self.load(network, weights))
        self._generator = torch.Generator().manual_seed(seed)
        self._guides = Guides()
        self.timer = SectionTimer()
        self.reset()

    def reset(self) -> None:
        """Forget the dream so far; the next frame starts a new one."""
        self._feedback = Feedback()
        self._fade = Crossfade()
        self._journey: Journey | None = None
        self._goal_key: object = None
        self._transition_s: float | None = None
        self._ranking: dict[Target, list[int]] = {}
        self._ranked_s = -_RANKING_S
        self._octave = 0
        self._first_shift = tuple(torch.rand(2, generator=self._generator).tolist())
        self._now_s: float | None = None

    def close(self) -> None:
        """Stop background work, such as preparing neighbouring layers."""
        for backend in self._backends.values():
            backend.close()

    def load(self, network: str, weights: Path | str | None = None) -> Backend:
        """A backend for another network, not yet in use; may be called from another thread."""
        return self._open(network, None if weights is None else Path(weights))

    def add_network(self, name: str, backend: Backend) -> None:
        """Make a loaded network available to the settings."""
        self._backends[name] = backend

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks that are loaded."""
        return tuple(self._backends)

    def add_guide(self, path: str, image: Image) -> None:
        """Keep a guide image (``guides.load_guide``) for the settings; others are loaded in the tick."""
        self._guides.add(path, image)

    def has_guide(self, path: str) -> bool:
        """Whether a guide image is loaded."""
        return path in self._guides

    @property
    def shown(self) -> Mix:
        """What the last tick dreamt."""
        return self._fade.shown

    @property
    def shown_words(self) -> dict[str, str]:
        """The layer and channels with the largest weight in :attr:`shown`, for the HUD."""
        if not self.shown:
            return {}
        return {"layer": self._heaviest.layer, "channels": ", ".join(map(str, self._heaviest.channels))}

    @property
    def backend(self) -> Backend:
        """What runs the network that dreamt last."""
        return self._backends[self._heaviest.network if self._fade.shown else self.default_network]

    @property
    def _heaviest(self) -> Target:
        return max(self._fade.shown, key=self._fade.shown.__getitem__)

    def __call__(self, image: Image, settings: Settings | None = None) -> Image:
        """Dream one tick on ``image`` (RGB uint8, (H, W, 3)) and lay the dream over it."""
        settings = settings or Settings(network=self.default_network)
        residual = self.tick(image, settings)
        large = resize(residual, image.shape[1], image.shape[0])
        return np.clip(image + settings.strength * large, 0, 255).astype(np.uint8)

    def tick(
        self,
        image: Image,
        settings: Settings,
        *,
        time_s: float | None = None,
        aspect: float | None = None,
        transition_s: float | None = None,
        persistence_limit_s: float | None = None,
    ) -> Residual:
        """Dream ``settings.steps`` ascent steps on a frame; the residual (h, w, 3), in levels of 255.

        ``image`` is RGB uint8 (H, W, 3); the residual has its shape at ``settings.working_px``, or the shape
        of its centre when ``aspect`` (width / height) names a visible part. ``time_s`` is the time of this
        tick, on any clock; everything that works over time follows it. Ticks without one come 30 a second.

        ``transition_s``, if given, is how long a change of target takes that begins in this tick, instead of
        ``settings.crossfade_s``. ``persistence_limit_s`` bounds the dream's half-life from above.
        """
        elapsed_s = self._elapsed_s(time_s)
        if persistence_limit_s is not None and persistence_limit_s < settings.persistence_s:
            settings = settings.replace(persistence_s=persistence_limit_s)
        with self.timer.section("prepare"):
            visible = crop_to_aspect(image, aspect)
            width, height = working_size(visible.shape[1], visible.shape[0], settings.working_px)
            frame = np.ascontiguousarray(resize(visible, width, height))
        self._aim(frame, settings, elapsed_s, transition_s)
        with self.timer.section("carry"):
            self._feedback.follow(frame, settings, elapsed_s)
            if self._fade.running:
                self._feedback.rejuvenate(_FADING_NOVELTY)
        residual, momentum = self._feedback.residual, self._feedback.momentum
        if settings.steps and self._dreamt:
            with self.timer.section("ascent"):
                residual, momentum = self._ascend(frame, settings, elapsed_s)
        with self.timer.section("settle"):
            return self._feedback.settle(residual, momentum, settings, elapsed_s)

    def classic(
        self, image: Image, settings: Settings, progress: Callable[[], object] = lambda: None
    ) -> Image:
        """The original, slow algorithm on one image (RGB uint8) at full size, with its own parameters."""
        self._aim(image, settings, 0.0, transition_s=0.0)
        dreamt = classic_dream(
            _tensor(np.asarray(image, np.float32) / 255, self._device),
            self._direction,
            self._generator,
            progress=progress,
        )
        return np.asarray((_array(dreamt) * 255).round(), np.uint8)

    def _elapsed_s(self, time_s: float | None) -> float:
        """How long this tick lasts: the time since the last one."""
        before_s = self._now_s
        if before_s is None:  # the first
            self._now_s = time_s or 0.0
            return _USUAL_TICK_S
        self._now_s = before_s + _USUAL_TICK_S if time_s is None else time_s
        return min(max(0.0, self._now_s - before_s), _LONGEST_TICK_S)

    def _aim(self, frame: Image, settings: Settings, elapsed_s: float, transition_s: float | None) -> None:
        """Follow the settings: what to dream now, on a journey or fading from what was dreamt before."""
        channels = parse_channels(settings.channels)
        goal = target_mix(settings, channels.numbers)
        goal_key = (settings.journey, channels, *goal.items())
        changed, self._goal_key = goal_key != self._goal_key, goal_key
        if changed:
            self._transition_s = transition_s
        if not settings.journey:
            self._journey = None
        elif changed or self._journey is None:
            self._journey = Journey()
        if self._journey is not None:
            goal = self._journey.mix(settings, goal, elapsed_s)
        if channels.rank:
            now_s = self._now_s or 0.0
            if changed and now_s - self._ranked_s > _RANKING_S:
                self._ranking, self._ranked_s = {}, now_s
            goal = {self._most_active(frame, target, channels.rank): goal[target] for target in goal}
        fade_s = settings.crossfade_s if self._transition_s is None else self._transition_s
        self._fade.step(goal_key, goal, elapsed_s, fade_s)

    def _most_active(self, frame: Image, target: Target, rank: int) -> Target:
        """``target`` with only the ``rank``-th most active channel in the camera's ``frame``."""
        if target not in self._ranking:
            seen = self._backends[target.network].activation(_tensor(frame, self._device) / 255, target.layer)
            self._ranking[target] = active_channels(seen, RANKS)
        return replace(target, channels=(self._ranking[target][rank - 1],))

    @property
    def _dreamt(self) -> Mix:
        """What is dreamt now, without the layers that gave NaN."""
        if not self.faults:
            return self._fade.shown
        shown = self._fade.shown.items()
        return whole({t: weight for t, weight in shown if weight and (t.network, t.layer) not in self.faults})

    def _direction(self, image: Tensor) -> Tensor:
        """The weighted sum of the normalised gradients of all current targets."""
        weighted = [weight * self._gradient_of(target, image) for target, weight in self._dreamt.items()]
        return torch.stack(weighted).sum(0) if len(weighted) > 1 else weighted[0]

    def _find_faults(self, image: Tensor) -> None:
        """Disable whatever gives NaN on ``image``: a runtime where there is another, or else a layer."""
        suspects = list(self._dreamt)
        guilty = [t for t in suspects if not self._gradient_of(t, image).isfinite().all()]
        for target in guilty or suspects:
            if not self._backends[target.network].drop("it produced NaN"):
                fault = f"{target.network} {target.layer} produces NaN; its weights may be damaged"
                log.error("%s", fault)
                self.faults[target.network, target.layer] = fault
                self.sound.discard((target.network, target.layer))

    def _gradient_of(self, target: Target, image: Tensor) -> Tensor:
        backend = self._backends[target.network]
        guide = None
        if target.guide:
            guide = self._guides.guide(target.guide, target.network, target.layer, backend)
        return backend.gradient(image, target.layer, Objective(target.channels, guide, target.pool_gradient))

    def _ascend(self, frame: Image, settings: Settings, elapsed_s: float) -> tuple[Residual, Array]:
        """The residual and the momentum after this tick's steps on ``frame``."""
        feedback = self._feedback
        base = _tensor(frame.astype(np.float32), self._device) / 255
        x = base + _tensor(feedback.residual, self._device) / 255
        momentum = _tensor(feedback.momentum, self._device)
        # Where a dream is new it attacks: steps are longer, and no old momentum slows them down.
        lengths = 1 + np.float32(settings.attack - 1) * feedback.novelty
        lengths *= np.float32(settings.step_size / 255)
        step_s = elapsed_s / settings.steps
        kept: Array = cv2.pow(1 - feedback.novelty**2, step_s / _UNLEARN_S)
        kept *= np.float32(decay(settings.momentum_s, step_s))
        step, keep = (_tensor(cv2.merge([a, a, a]), self._device) for a in (lengths, kept))
        # A new dream begins with its largest octaves, where a step shows most; the small ones give it form.
        octaves = min(settings.octaves, 2) if feedback.novelty.mean() > _NEW else settings.octaves
        strokes = sum(weight for target, weight in self._dreamt.items() if sees_strokes(target))
        height, width = frame.shape[:2]
        sizes = [octave_size(height, width, n, settings.octave_scale) for n in range(settings.octaves)]
        # The larger the octave, the longer the step: fine detail is lost first. Layers that see only strokes
        # have enough of it.
        mean_side = sum(side for side, _ in sizes) / len(sizes)
        for _ in range(settings.steps):
            turn, octave = divmod(self._octave, octaves)
            size = sizes[octave]
            self._octave += 1
            shift = even_shift(settings.jitter, turn, self._first_shift)
            direction = jittered(self._direction, quickly_resized(x, size), shift)
            reach = strokes + (1 - strokes) * size[0] / mean_side
            direction = shaped(direction, settings.gradient_shaping, strokes) * reach
            momentum = torch.lerp(quickly_resized(direction, (height, width)), momentum, keep)
            x = torch.addcmul(x, step, momentum)
        dreamt = _array((x - base) * 255)
        if np.isfinite(dreamt.sum()):
            self.sound.update((target.network, target.layer) for target in self._dreamt)
            return dreamt, _array(momentum)
        self._find_faults(base + _tensor(feedback.residual, self._device) / 255)
        return feedback.residual, feedback.momentum


def _tensor(array: Residual, device: torch.device) -> Tensor:
    """(h, w, C) float32 as (1, C, h, w) on the device."""
    return torch.from_numpy(array).to(device).permute(2, 0, 1).unsqueeze(0)


def _array(tensor: Tensor) -> Residual:
    """(1, C, h, w) as contiguous (h, w, C) float32 NumPy."""
    return np.ascontiguousarray(tensor.detach()[0].permute(1, 2, 0).cpu().numpy(), dtype=np.float32)
