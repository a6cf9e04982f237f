"""The dreamer: takes frame after frame, dreams a little on each, and carries the dream along."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livedream.dream.aim import Aim
from livedream.dream.ascent import ascend, classic_picture, in_range
from livedream.dream.drift import Drift
from livedream.dream.feedback import Feedback
from livedream.dream.gradients import CANNOT_RUN, Gradients
from livedream.dream.graphics import Graphics
from livedream.dream.guides import load_guide
from livedream.dream.octaves import octave_sizes
from livedream.dream.planning import Planned, Planner, TickTimes
from livedream.dream.residual import Residual
from livedream.dream.shaping import shaped
from livedream.dream.sight import Sight
from livedream.dream.targets import LayerKey, Mix, Words, sees_strokes, target_mix
from livedream.frame import Array, Image, crop_to_aspect, resize, working_size
from livedream.ipc.heartbeat import heartbeat
from livedream.runtimes.base import Backend
from livedream.runtimes.exported import open_backend
from livedream.runtimes.on_device import OnDevice
from livedream.settings import Settings
from livedream.timing import SectionTimer

if TYPE_CHECKING:
    from livedream.dream.device_batch import Batches

#: Opens a network with the weights of a file, or its usual ones.
Opening = Callable[[str, Path | None], Backend]


class Dreamer:
    """Dreams on frames in order, in this process.

    ``dreamer(image, settings)`` returns the dreamt image, RGB uint8 in and out, at the image's own size.
    :meth:`tick` returns only the residual, at working size; that is what the mirror uses. The result depends
    only on the frames, their times, the settings and ``seed``.

    ``backend``, ``auto`` or a name of :data:`livedream.runtimes.names.BACKENDS`, runs the network on
    ``threads`` threads. With ``wait`` the first tick at each layer and size waits until that is prepared.
    Without it a tick makes do with what is prepared; PyTorch dreams what has to be exported first. Only the
    first tick waits all the same, unless it is ``hasty``. Dreamers in threads of one process share how
    networks are opened (``opening``, instead of the options), how guides are loaded, and ``batches``: on a
    graphics card their ticks run together.

    Raises ``UsageError`` for an unknown network or layer, ``NetworkError`` for unusable weights,
    ``BackendError`` for a device that is not here, ``MissingPackageError`` when nothing can run the network.
    """

    def __init__(
        self,
        network: str = "dreamnet",
        *,
        weights: Path | str | None = None,
        device: str = "auto",
        seed: int = 0,
        backend: str = "auto",
        threads: int = 1,
        wait: bool = True,
        hasty: bool = False,
        opening: Opening | None = None,
        load_guide: Callable[[str], Image] = load_guide,
        batches: Batches | None = None,
    ) -> None:
        self._open = opening or functools.partial(
            open_backend, device=device, runtime=backend, threads=threads, wait=wait
        )
        self._wait, self._hasty = wait, hasty
        self._gradients = Gradients(load_guide)
        #: Runs whole ticks on a graphics card, where there is one.
        self.graphics = Graphics(self._gradients, wait, batches=batches)
        self.default_network, self._seed, self.timer = network, seed, SectionTimer()
        self.add_network(network, self.load(network, weights))
        self.dreaming = False  #: Whether the last tick took steps of ascent.
        self.reset()

    def reset(self) -> None:
        """Forget the dream so far; the next frame starts a new one, as the first did."""
        self._gradients.drift, self._times = Drift(self._seed), TickTimes()
        self._aim = Aim(self._gradients, self._wait)
        self.graphics.reset()
        self.begin_scene()

    def begin_scene(self) -> None:
        """Forget what was seen and dreamt; drift, journey and a walk through words go on in time."""
        self._sight, self._feedback = Sight(), Feedback()
        self.graphics.forget()
        self._aim.begin_scene()
        self._planner = Planner(self._gradients, self._seed, self._hasty, self.graphics.in_step)
        self._given: tuple[Image, Residual] | None = None

    def pass_over(self, settings: Settings, times_s: Iterable[float]) -> None:
        """Go on in time as by ticks at ``times_s``, but without frames; then a scene begins."""
        self._aim.pass_over(settings, map(self._times, times_s))
        self.begin_scene()

    def seed(self, image: Image, residual: Residual) -> None:
        """Forget the dream so far, and carry on one from elsewhere: the ``residual`` (h, w, 3) that
        :meth:`tick` gave there on ``image``, RGB uint8 (H, W, 3), of which all was visible.

        The next tick moves it to its own frame. Nothing waits for what is still being opened.
        """
        self.reset()
        self._given = image, residual
        self._planner.begun = True

    def close(self) -> None:
        """Stop background work, such as preparing neighbouring layers."""
        self._gradients.close()

    def load(self, network: str, weights: Path | str | None = None) -> Backend:
        """A backend for another network, not yet in use; may be called from another thread."""
        return self._open(network, None if weights is None else Path(weights))

    def add_network(self, name: str, backend: Backend) -> None:
        """Make a loaded network available to the settings."""
        self._gradients.backends[name] = backend

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks that are loaded."""
        return tuple(self._gradients.backends)

    def add_guide(self, path: str, image: Image) -> None:
        """Keep a guide image (``guides.load_guide``) for the settings; others are loaded in the tick."""
        self._gradients.guides.add(path, image)

    @property
    def comparing(self) -> bool:
        """Whether runtimes are being compared beside the dream."""
        return self.backend.comparing

    @property
    def fading(self) -> bool:
        """Whether one target fades into another."""
        return self._aim.fading

    def ready(self, settings: Settings, aspect: float) -> bool:
        """Whether what is dreamt now would run at once at the working size and octaves of ``settings``.

        ``aspect`` is width / height of the visible part of the frame.
        """
        return self._gradients.ready(self._dreamt, octave_sizes(settings, aspect))

    def prepare(self, settings: Settings, aspect: float | None) -> None:
        """Begin to open what a tick at these settings will need; returns at once.

        ``aspect`` (width / height) is that of the visible part, None when it is not known.
        """
        mix = self._dreamt or target_mix(settings)
        self._gradients.prepare(mix, octave_sizes(settings, aspect or 16 / 9))

    @property
    def device_name(self) -> str:
        """PyTorch's name of the device that dreams: ``cuda:0``, ``mps``, ``cpu``."""
        backend = self.backend
        return backend.device_name if isinstance(backend, OnDevice) else "cpu"

    @property
    def gradients_zero(self) -> bool:
        """Whether the last tick's gradients were zero everywhere."""
        return self.dreaming and self._gradients.zero

    def make_room(self) -> None:
        """Close what is open: what is needed is opened again."""
        self._gradients.make_room()

    def find_dead(self) -> bool:
        """Disable what gives no gradient on any image, as a damaged runtime; whether there was anything."""
        return self._gradients.find_dead(self._dreamt)

    def has_guide(self, path: str) -> bool:
        """Whether a guide image is loaded."""
        return path in self._gradients.guides

    @property
    def sound(self) -> set[LayerKey]:
        """The layers that were dreamt, by their network's name and their own, and that work."""
        return self._gradients.sound

    @property
    def faults(self) -> dict[LayerKey, str]:
        """What is wrong with layers that do not work; one that is removed from here is tried again."""
        return self._gradients.faults

    @property
    def shown(self) -> Mix:
        """What the last tick dreamt."""
        return self._aim.shown

    @property
    def shown_words(self) -> dict[str, str]:
        """The layer and channels with the largest weight in :attr:`shown`, for the HUD."""
        return self._aim.shown_words

    @property
    def dreamt_words(self) -> Words:
        """The words that are dreamt at that layer with their shares, the largest first; none by the layer."""
        return self._aim.dreamt_words

    @property
    def recognised(self) -> tuple[tuple[str, float], ...]:
        """With ``settings.surprise``: what the camera's image shows, with probabilities, the best first."""
        return self._aim.recognised

    @property
    def backend(self) -> Backend:
        """What runs the network that dreamt last."""
        network = self._aim.heaviest.network if self._aim.shown else self.default_network
        return self._gradients.backends[network]

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
        leg_s: float | None = None,
    ) -> Residual:
        """Dream on a frame; the residual (h, w, 3), in levels of 255.

        A tick takes ``settings.steps`` ascent steps, fewer if it is short: :mod:`livedream.dream.octaves`.

        ``image`` is RGB uint8 (H, W, 3); the residual has its shape at ``settings.working_px``, or the shape
        of its centre when ``aspect`` (width / height) names a visible part. ``time_s`` is the time of this
        tick, on any clock; everything that works over time follows it. Ticks without one come 30 a second.

        ``transition_s``, if given, is how long a change of target takes that begins in this tick, instead of
        ``settings.crossfade_s``. ``persistence_limit_s`` bounds the dream's half-life from above.
        ``leg_s``, on the clock of ``time_s``, is when a leg of a journey that follows the beat began.
        """
        elapsed_s = self._times(time_s)
        if persistence_limit_s is not None and persistence_limit_s < settings.persistence_s:
            settings = settings.replace(persistence_s=persistence_limit_s)
        self.dreaming = False
        heartbeat.begins(("tick", settings.working_px))
        with self.timer.section("prepare"):
            visible = crop_to_aspect(image, aspect)
            width, height = working_size(visible.shape[1], visible.shape[0], settings.working_px)
            scaled = np.ascontiguousarray(resize(visible, width, height))
            if self._given is not None:
                self._take_over(*self._given, settings)
            frame = self._sight(scaled, settings, elapsed_s)
        self._gradients.drift.step(settings.drift, elapsed_s)
        self._aim.step(
            frame,
            settings,
            self._times.now_s,
            elapsed_s,
            transition_s=transition_s,
            begun=self._planner.begun,
            leg_s=leg_s,
        )
        if self.graphics.takes(self.backend):
            heartbeat.begins(("device", settings.working_px, settings.octaves, settings.steps, *self._dreamt))
            with self.timer.section("device"):
                planned = functools.partial(self._planned, frame, settings, elapsed_s)
                found = self.graphics.tick(self.backend, frame, settings, elapsed_s, planned)
            if found is not None:
                residual, self.dreaming = found
                self._planner.begun = self._planner.begun or self.dreaming
                return self._sight.laid_over(residual)
            self._feedback = Feedback(self.graphics.residual)
        with self.timer.section("carry"):
            self._feedback.follow(frame, settings, elapsed_s)
        residual, momentum = self._feedback.residual, self._feedback.momentum
        if settings.steps and self._dreamt:
            with self.timer.section("ascent"):
                try:
                    residual, momentum = self._ascend(frame, settings, elapsed_s)
                except CANNOT_RUN:
                    if self._wait:
                        raise
        heartbeat.begins(("settle", settings.working_px))
        with self.timer.section("settle"):
            settled = self._feedback.settle(residual, momentum, settings, elapsed_s)
            return self._sight.laid_over(settled)

    def classic(
        self, image: Image, settings: Settings, progress: Callable[[], object] = lambda: None
    ) -> Image:
        """The original, slow algorithm on one image (RGB uint8) at full size, with its own parameters."""
        self._gradients.drift = Drift(self._seed)
        self._aim.step(image, settings, self._times.now_s, 0.0, transition_s=0.0)
        mix, direction = self._dreamt, self._gradients.direction
        return classic_picture(image, lambda x: direction(x, mix), self._seed, progress)

    def _take_over(self, image: Image, residual: Residual, settings: Settings) -> None:
        """Begin with a dream that was given."""
        self._given = None
        small = resize(image, *residual.shape[1::-1])
        frame = self._sight(np.ascontiguousarray(small), settings, 0.0)
        residual = self._sight.taken_up(residual)
        self._feedback = Feedback(residual, frame)
        self.graphics.seed(frame, residual)

    @property
    def _dreamt(self) -> Mix:
        """What is dreamt now, without the layers that do not work."""
        return self._gradients.without_faults(self._aim.shown)

    def _planned(self, frame: Image, settings: Settings, elapsed_s: float, novelty: float) -> Planned:
        """This tick's plan; ``novelty`` (0..1) is how new the dream is, in the mean."""
        height, width = frame.shape[:2]
        return self._planner(self._dreamt, (height, width), settings, elapsed_s, novelty)

    def _ascend(self, frame: Image, settings: Settings, elapsed_s: float) -> tuple[Residual, Array]:
        """The residual and the momentum after this tick's steps on ``frame``."""
        feedback = self._feedback
        plan = self._planned(frame, settings, elapsed_s, float(feedback.novelty.mean()))
        if not plan.steps:
            return feedback.residual, feedback.momentum
        mix = plan.mix
        lengths, kept = feedback.pace(settings, plan.step_s)
        strokes = sum(weight for target, weight in mix.items() if sees_strokes(target))
        residual, momentum = ascend(
            frame,
            feedback.residual,
            feedback.momentum,
            plan.steps,
            lambda image: self._gradients.direction(image, mix),
            lambda direction, size: shaped(direction, settings.gradient_shaping, strokes, size),
            lengths=lengths,
            kept=kept,
        )
        if np.isfinite(residual.sum()):
            self._planner.begun = self.dreaming = True
            self._gradients.sound.update(target.key for target in mix)
            return residual, momentum
        if np.isfinite(feedback.residual.sum() + feedback.momentum.sum()):  # the runtimes were given no NaN
            self._gradients.find_faults(in_range(frame, feedback.residual), mix)
        return feedback.residual, feedback.momentum
