"""The picture of the moment: arranged from the newest frame, the newest residual and the settings."""

from __future__ import annotations

from livedream.ipc.slots import Value
from livedream.performance.store import Performance
from livedream.settings import SPECS
from livedream.show.ports import Feeds, Front
from livedream.show.statistics import Statistics
from livedream.stage.composite import Composer, freshness
from livedream.stage.scene import Scene
from livedream.vision.presence import PresenceDetector

#: The settings that a picture is composed with; others, such as zoom, act in the dream alone.
_COMPOSED = tuple(
    name for name, spec in SPECS.items() if spec.group != "dream" or name in ("feedback", "crossfade_s")
)
#: Kinds of source in which a person stands in front of the mirror.
_LIVE = ("camera", "stream")


class Picture:
    """Takes what is new, and arranges the scene anew where that changes it. Times are ``now``, in seconds.

    ``frame`` and ``residual`` are the newest ones, ``scene`` what is to be seen of them, None before the
    first frame. ``presence`` looks for visitors in the frames.
    """

    def __init__(self, performance: Performance, feeds: Feeds, front: Front, statistics: Statistics) -> None:
        self.frame: Value | None = None
        self.residual: Value | None = None
        self.scene: Scene | None = None
        self.presence = PresenceDetector()
        self._performance, self._feeds, self._front = performance, feeds, front
        self._statistics = statistics
        self._composer = Composer()
        self._residual_s = 0.0  # when it came, by this process's clock
        self._arranged: tuple[object, ...] = ()  # what the scene was made of

    @property
    def aspect(self) -> float | None:
        """Width / height of the part of the frame that is visible, None for all of it."""
        width, height = self._front.size
        return width / height if self._performance.settings.fit == "fill" else None

    @property
    def frozen(self) -> bool:
        """Whether the picture is held, and has been shown."""
        return self._performance.settings.freeze and self.scene is not None

    @property
    def somebody(self) -> bool | None:
        """Whether somebody is there; None where what is shown is no place in which anybody could be."""
        settings = self._performance.settings
        live = self._feeds.source.kind in _LIVE or settings.detect_visitors_in == "any"
        return self.presence.somebody if live and not settings.freeze else None

    def take(self, now: float) -> bool:
        """Take the newest frame and residual; whether there was anything new."""
        if self.frozen:
            return False
        frame, residual = self._feeds.frame(), self._feeds.residual()
        if residual is not None:
            self.residual, self._residual_s = residual, now
        if frame is not None:
            self.frame = frame
            self._composer.see(frame.array, frame.index, self.aspect, frame.time_s)
            if self._composer.grey is not None and not self._feeds.source.fallback:  # clouds are no room
                self.presence.see(self._composer.grey, frame.time_s)
        return frame is not None or residual is not None

    def arrange(self, now: float) -> None:
        """Make the scene of the newest frame, residual and settings, if it isn't that already."""
        frame, residual, played = self.frame, self.residual, self._performance.played
        if frame is None or self.frozen:
            return
        alpha = freshness(now - self._residual_s)
        composed = [getattr(played.settings, name) for name in _COMPOSED]
        parts = (frame.seq, residual and residual.seq, alpha, composed, self._front.size, self.aspect)
        if self.scene is not None and parts == self._arranged:
            return
        with self._statistics.timer.section("composite"):
            self.scene = self._composer.arrange(
                None if residual is None else residual.array,
                0 if residual is None else residual.index,
                self._front.size,
                played.settings,
                alpha,
                residual_aspect=None if residual is None else residual.aspect,
                presence=None if self._feeds.source.kind == "clouds" else self.presence,
                transition_s=played.transition_s,
            )
            if self.scene is not None and self._front.renderer == "cpu":
                self.scene.picture()
        self._arranged = parts
        self._statistics.recomposed += 1
