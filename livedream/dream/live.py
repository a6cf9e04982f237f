"""A dream that goes on and on: it follows orders, chooses its size, and survives what fails in a tick.

The dream process of a mirror runs one, a room one for each mirror.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec import structs

from livedream.dream.care import Care
from livedream.dream.governing import Governing
from livedream.frame import USUAL_PX, Image, crop_to_aspect
from livedream.ipc.protocol import DreamStatus, Order, dreamt
from livedream.timing import RateMeter, now_s

if TYPE_CHECKING:
    from livedream.dream.dreamer import Dreamer
    from livedream.dream.loading import Loader
    from livedream.dream.residual import Residual

#: The words that a status names: a quick succession of fades may leave many faint ones.
_MOST_WORDS = 4


class LiveDream:
    """Runs the ticks of ``dreamer``, whose networks and guides ``loader`` loads.

    ``limit_px`` bounds the longer side of the working size; the governor begins at ``first_px``, None: at the
    usual one.
    """

    def __init__(
        self, dreamer: Dreamer, loader: Loader, *, limit_px: int | None = None, first_px: int | None = None
    ) -> None:
        self.dreamer, self.loader = dreamer, loader
        self._governing = Governing(dreamer, first_px)
        self._care = Care(dreamer, limit_px)
        self._rate = RateMeter()
        #: How long the last tick took, in seconds.
        self.tick_s = 0.0
        #: The last residual's (width, height).
        self.working_size = (0, 0)

    @property
    def rate_hz(self) -> float:
        """Ticks a second."""
        return self._rate.rate(now_s())

    def follow(self, order: Order) -> Order:
        """``order`` as it can be dreamt now: other networks and guides are still being loaded."""
        return structs.replace(order, settings=self.loader.follow(order.settings))

    def tick(
        self,
        image: Image,
        order: Order,
        *,
        aspect: float | None = None,
        visible: tuple[int, int] | None = None,
        largest_px: int | None = None,
        share: float = 1.0,
    ) -> Residual | None:
        """Dream on ``image`` as ``order`` says, on its centre of ``aspect``; None when nothing can be shown.

        ``visible`` is the (width, height) of what the camera has there, if not the image's. The governor
        chooses at most ``largest_px``, and as if only this ``share`` of the machine's time were there.
        Raises as :meth:`livedream.dream.care.Care.tick`.
        """
        start, care = now_s(), self._care
        self._governing.largest_px = largest_px
        settings = care.ceiling.settings(self._governing.settings(order.settings))
        run = partial(
            self.dreamer.tick,
            image,
            settings,
            time_s=start,
            aspect=aspect,
            transition_s=order.transition_s,
            persistence_limit_s=order.persistence_limit_s,
            leg_s=order.leg_s,
        )
        residual = care.tick(run, start, settings.working_px or USUAL_PX)
        if residual is None:
            return None
        self.working_size = residual.shape[1], residual.shape[0]
        ended = now_s()
        self.tick_s = ended - start
        self._rate.tick(ended)
        if visible is None:
            height, width = crop_to_aspect(image, aspect).shape[:2]
            visible = width, height
        self._governing.ticked(order, visible, self.tick_s / share, ended, care.ceiling.px)
        return residual

    def rest(self, image: Image, order: Order) -> None:
        """Dream nothing on ``image``, because somebody else does; but open what the next tick would need.

        Raises as :meth:`tick`.
        """
        start, care = now_s(), self._care
        settings = care.ceiling.settings(self._governing.settings(order.settings))
        run = partial(
            self.dreamer.tick,
            image,
            settings.replace(steps=0),
            time_s=start,
            aspect=order.aspect,
            transition_s=0.0,
        )
        care.tick(run, start, settings.working_px or USUAL_PX)
        self.dreamer.prepare(settings, order.aspect)

    def status(self, order: Order) -> DreamStatus:
        """What is dreamt now, following ``order``; without ``progress`` and ``patience_s``."""
        settings, dreamer, loader = order.settings, self.dreamer, self.loader
        shown = dreamer.shown_words
        messages = (self._care.message, loader.message, dreamer.graphics.message, dreamer.backend.message)
        return DreamStatus(
            phase="dreaming",
            faults=dict(self._care.faults),
            order=order.number,
            message=next(filter(None, messages), ""),
            error=loader.error,
            **dreamt(settings),
            guides=loader.guides,
            shown_layer=shown.get("layer", ""),
            shown_channels=shown.get("channels", ""),
            shown_words=dreamer.dreamt_words[:_MOST_WORDS],
            recognised=dreamer.recognised if settings.surprise else (),
            unavailable=loader.unavailable,
            backend=dreamer.graphics.words(dreamer.backend.name),
            device=dreamer.device_name,
            ticks=self._rate.count,
            dream_fps=round(self.rate_hz, 2),
            working_size=self.working_size,
            governor=self._governing.governed,
            sections=dreamer.timer.summary(),
        )
