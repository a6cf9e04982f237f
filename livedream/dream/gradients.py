"""The gradients of what is dreamt: several targets, each of a network that has a backend of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from livedream.dream.drift import Drift
from livedream.dream.guides import Guides, load_guide
from livedream.dream.targets import LayerKey, Mix, Target, whole
from livedream.dream.wording import emphasis_of
from livedream.errors import BackendError, MissingPackageError
from livedream.frame import Array, Image
from livedream.ipc.heartbeat import heartbeat
from livedream.networks.objective import Objective
from livedream.runtimes.base import Backend, Step
from livedream.runtimes.on_device import DeviceGradient, OnDevice

log = logging.getLogger(__name__)

#: What a backend raises when nothing on this machine can run a gradient.
CANNOT_RUN = (BackendError, MissingPackageError)
#: (height, width) of noise that excites every layer, before any other size was dreamt.
_NOISE_SIZE = (96, 128)


class Gradients:
    """The backends of the networks that are loaded, and which of their layers work.

    ``sound`` are the layers that do; ``faults`` says what is wrong with those that cannot be run or gave NaN,
    which are not dreamt until they are removed from it.
    """

    def __init__(self, load_guide: Callable[[str], Image] = load_guide) -> None:
        self.backends: dict[str, Backend] = {}
        self.guides = Guides(load_guide)
        #: Of what is wanted of each layer.
        self.drift = Drift()
        self.sound: set[LayerKey] = set()
        self.faults: dict[LayerKey, str] = {}
        #: Whether the last direction was zero everywhere.
        self.zero, self._size = False, _NOISE_SIZE
        self._before: Mix = {}

    def close(self) -> None:
        """Stop all background work."""
        for backend in self.backends.values():
            backend.close()

    def make_room(self) -> None:
        """Close what is open: what is needed is opened again."""
        for backend in self.backends.values():
            backend.make_room()

    def without_faults(self, mix: Mix) -> Mix:
        """``mix`` without the layers that do not work."""
        if not self.faults:
            return mix
        return whole({t: weight for t, weight in mix.items() if weight and t.key not in self.faults})

    def step(self, target: Target, image: Array) -> Step:
        """One target's gradient at ``image``, RGB float32 (h, w, 3) in [0, 1].

        Raises one of :data:`CANNOT_RUN` when there is none, from now on a fault.
        """
        heartbeat.begins(("gradient", target.key, image.shape))
        try:
            return self.backends[target.network].gradient(image, target.layer, self._objective(target))
        except CANNOT_RUN as error:
            self._disable(target, str(error))
            raise

    def direction(self, image: Array, mix: Mix) -> Array:
        """The weighted sum of the normalised gradients of all targets, (h, w, 3). Raises as :meth:`step`."""
        total: Array | None = None
        for target, weight in mix.items():
            gradient = self.step(target, image).gradient
            if total is None:
                total = gradient if weight == 1 else gradient * np.float32(weight)
            else:
                total = cv2.scaleAdd(gradient, weight, total)
        assert total is not None
        self.zero, self._size = not total.any(), image.shape[:2]
        return total

    def on_device(self, target: Target, size: tuple[int, int]) -> DeviceGradient:
        """One target's gradient at ``size`` (height, width), on its device. Raises as :meth:`step`."""
        backend = self.backends[target.network]
        assert isinstance(backend, OnDevice)
        try:
            return backend.on_device(target.layer, (size[1], size[0]), self._objective(target))
        except CANNOT_RUN as error:
            self._disable(target, str(error))
            raise

    def at_once(self, mix: Mix, sizes: Sequence[tuple[int, int]]) -> tuple[Mix, list[int]]:
        """What can be dreamt without waiting, and at which octaves, of ``sizes`` (height, width).

        That is the part of ``mix`` that is open at all sizes, or else what was dreamt before, or else what is
        open at some. Nothing, at the smallest, when all is still being opened. Raises as :meth:`step`.
        """
        opening = {target: self._opening(target, sizes) for target in mix}
        there = {target: weight for target, weight in mix.items() if not opening[target]}
        octaves = list(range(len(sizes)))
        if not there and self._before and not any(self._opening(t, sizes) for t in self._before):
            there = self.without_faults(self._before)
        if not there:
            there = {target: weight for target, weight in mix.items() if len(opening[target]) < len(sizes)}
            octaves = [n for n in octaves if not any(n in opening[target] for target in there)]
        if not there or not octaves:
            return {}, [len(sizes) - 1]
        self._before = there = whole(there)
        return there, octaves

    def is_opening(self, target: Target, size: tuple[int, int]) -> bool:
        """Whether a target is still being opened at ``size`` (height, width). Raises as :meth:`step`."""
        return bool(self._opening(target, [size]))

    def _opening(self, target: Target, sizes: Sequence[tuple[int, int]]) -> set[int]:
        """Which of ``sizes`` are still being opened."""
        try:
            backend, objective = self.backends[target.network], self._objective(target)
        except CANNOT_RUN as error:
            self._disable(target, str(error))
            raise
        return {  # the sizes from the largest down: what is asked for last is opened first
            n
            for n, (height, width) in enumerate(sizes)
            if backend.opening(target.layer, (width, height), objective)
        }

    def ready(self, mix: Mix, sizes: Sequence[tuple[int, int]]) -> bool:
        """Whether all of ``mix`` would run at once at all of these ``sizes`` (width, height)."""
        return all(
            self.backends[target.network].ready(target.layer, size, self._objective(target))
            for target in mix
            for size in sizes
        )

    def prepare(self, mix: Mix, sizes: Sequence[tuple[int, int]]) -> None:
        """Begin to open all that ``mix`` needs at these ``sizes`` (width, height), the last of them first.

        A guide that is not loaded yet opens its graphs when it is.
        """
        for target in mix:
            if target.guide and target.guide not in self.guides:
                continue
            objective = self._objective(target)
            for size in sizes:
                self.backends[target.network].prepare(target.layer, size, objective)

    def find_dead(self, mix: Mix) -> bool:
        """Disable whatever gives no gradient even on noise, as :meth:`find_faults`; whether there was any."""
        # Of a size that was dreamt: for another one something else may run.
        noise = np.random.default_rng(0).random((*self._size, 3), np.float32)
        dead = set()
        for key in {target.key for target in mix}:
            whole_layer = Target(*key)  # some of its channels may rightly see nothing in noise
            try:
                if self.step(whole_layer, noise).gradient.any():
                    continue
            except CANNOT_RUN:
                continue  # which is a fault already
            dead.add(key)
            if not self.backends[key[0]].drop("it gave no gradient"):
                self._disable(whole_layer, f"{key[0]} {key[1]} gives no gradient; its weights may be damaged")
        return bool(dead)

    def find_faults(self, image: Array, mix: Mix) -> None:
        """Disable whatever gives NaN on ``image``: a runtime where there is another, or else a layer."""
        guilty = [t for t in mix if not np.isfinite(self.step(t, image).gradient).all()]
        for target in guilty or mix:
            if not self.backends[target.network].drop("it produced NaN"):
                self._disable(
                    target, f"{target.network} {target.layer} produces NaN; its weights may be damaged"
                )

    def _objective(self, target: Target) -> Objective:
        guide = None
        if target.guide:
            backend = self.backends[target.network]
            guide = self.guides.guide(target.guide, target.network, target.layer, backend)
        emphasis = self.drift.emphasis(target)
        return Objective(target.channels, guide, target.pool_gradient, emphasis, emphasis_of(target))

    def _disable(self, target: Target, fault: str) -> None:
        log.error("%s", fault)
        self.faults[target.key] = fault
        self.sound.discard(target.key)
