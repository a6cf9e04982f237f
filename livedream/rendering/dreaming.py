"""Dreams a film's frames in order and paints them: what one process does, and each of many."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.dream.residual import Residual
from livedream.frame import Image
from livedream.settings import SPECS, Settings
from livedream.stage.composite import Composer
from livedream.vision.presence import PresenceDetector

#: Steps of the original algorithm for a picture.
CLASSIC_STEPS = 40
#: Seconds between frames that are only watched, to learn the room: half as often as when visitors are there.
WATCHED_EVERY_S = 0.13
#: How much longer steps are while a dream warms up.
_LONGER = 2.0


class Painting:
    """Paints residuals on the frames that they were dreamt on, by ``settings``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.begin_scene()

    def begin_scene(self) -> None:
        """Another scene begins with the next frame: nobody is known to be there."""
        self._composer, self._presence = Composer(), PresenceDetector()

    def see(self, image: Image, index: int, time_s: float) -> None:
        """Take a frame (RGB uint8 (H, W, 3)) to paint on, and look for visitors there."""
        self._composer.see(image, index, None, time_s)
        assert self._composer.grey is not None
        self._presence.see(self._composer.grey, time_s)
        self._seen = image, index

    def paint(self, residual: Residual) -> Image:
        """The picture, RGB uint8 (H, W, 3), of a ``residual`` on the frame that was seen last."""
        image, index = self._seen
        size = image.shape[1], image.shape[0]
        picture = self._composer.compose(residual, index, size, self._settings, presence=self._presence)
        assert picture is not None
        return picture


class Dreaming:
    """Frame after frame by ``settings``; with ``classic`` each one by itself, by the original algorithm.

    ``step`` is called after each step of that algorithm.
    """

    def __init__(
        self,
        dreamer: Dreamer,
        settings: Settings,
        *,
        classic: bool = False,
        step: Callable[[], object] = lambda: None,
    ) -> None:
        self._dreamer, self._settings = dreamer, settings
        self._classic, self._step = classic, step
        self._watching = settings.replace(steps=0)
        longest = SPECS["step_size"].maximum or settings.step_size
        self._warming = settings.replace(step_size=min(longest, _LONGER * settings.step_size))
        self._watched_s: float | None = None
        self._painting = Painting(settings)

    def begin_scene(self) -> None:
        """Another scene begins with the next frame: nothing of the last one is carried on."""
        self._dreamer.begin_scene()
        self._painting.begin_scene()
        self._watched_s = None

    def watch(self, image: Image, index: int, time_s: float) -> None:
        """Look at a frame without dreaming, to know the room; in a fast film not at each."""
        if self._watched_s is None or time_s - self._watched_s >= WATCHED_EVERY_S:
            self._watched_s = time_s
            self._dreamer.tick(image, self._watching, time_s=time_s)
            self._painting.see(image, index, time_s)

    def dream(self, image: Image, index: int, time_s: float, *, warming: bool = False) -> Residual:
        """Dream on a frame (RGB uint8 (H, W, 3)) at ``time_s``; the residual (h, w, 3), in levels of 255.

        ``warming``: by longer steps, so that it is sooner as strong as after a long time.
        """
        settings = self._warming if warming else self._settings
        residual = self._dreamer.tick(image, settings, time_s=time_s)
        self._painting.see(image, index, time_s)
        return residual

    def picture(self, image: Image, index: int, time_s: float) -> Image:
        """Dream on a frame and paint it."""
        if self._classic:
            dreamt = self._dreamer.classic(image, self._settings, self._step)
            return np.asarray(cv2.flip(dreamt, 1), np.uint8) if self._settings.mirror else dreamt
        return self._painting.paint(self.dream(image, index, time_s))
