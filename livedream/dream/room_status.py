"""What a room says of its dream, as far as it can be believed: it may be of another version, or hostile."""

from __future__ import annotations

import math

from msgspec import structs

from livedream.errors import LivedreamError, one_line
from livedream.ipc.protocol import DreamStatus, Governed, Order, Unavailable, dreamt
from livedream.networks.catalogue import network_info
from livedream.settings import Settings
from livedream.timing import Percentiles

_LONGEST_NAME = 40
_MOST_WORDS, _MOST_SECTIONS = 4, 12
_MOST_HZ = 1000.0
_MOST_STEPS, _MOST_OCTAVES, _MOST_PX = 100, 6, 1280
#: More ticks than this between two statuses are none that a room has made.
_MOST_TICKS = 1000


class RoomsDream:
    """Follows what a room says.

    ``ticks`` counts its ticks, ``missing`` is why it cannot dream what is wanted, empty if it can.
    ``follows`` is whether it dreams that: it may still be loading it.
    """

    def __init__(self) -> None:
        self.ticks = 0
        self.missing = ""
        self.follows = False
        self._status: DreamStatus | None = None
        self._wanted: tuple[str, str, str] = ("", "", "")
        self._asked = 0  # the number of the first order for that
        self._dreamt: Settings | None = None

    def heard(self, status: DreamStatus | None, order: Order) -> None:
        """The room's newest status, None without one; ``order`` is what is wanted."""
        settings = order.settings
        wanted = (settings.network, settings.layer, settings.guide)
        if wanted != self._wanted:
            self._wanted, self._asked, self.follows = wanted, order.number, False
        if status is self._status:
            return
        before, self._status = self._status, status
        if status is None:
            self.missing, self.follows = "", False
            return
        new = status.ticks - (before.ticks if before else 0)
        self.ticks += new if 0 < new <= _MOST_TICKS else 0
        if status.order < self._asked:
            return
        self.missing = self._missing(status, settings)
        self.follows = (status.network, status.layer, status.guide) == wanted
        if self.follows or self._dreamt is None:
            self._dreamt = settings

    def _missing(self, status: DreamStatus, settings: Settings) -> str:
        found, what = status.unavailable, ""
        if found.network == settings.network and found.layer in ("", settings.layer):
            what = f"{found.network} {found.layer}".strip()
        elif found.guide and found.guide == settings.guide:
            what = "of this guide"
        if status.phase == "failed":
            what = what or "now"
        said = one_line(status.error)
        return what and f"the room cannot dream {what}" + (f": {said}" if said else "")

    def told(self, here: DreamStatus, size: tuple[int, int]) -> DreamStatus:
        """The status of a dream that the room makes; ``here`` is that of the one here, which rests.

        ``size`` is (width, height) of the room's newest residual.
        """
        room, settings = self._status, self._dreamt
        if room is None or settings is None:
            return here
        governor = Governed(
            working_px=max(0, min(_MOST_PX, room.governor.working_px)),
            steps=max(0, min(_MOST_STEPS, room.governor.steps)),
            octaves=max(0, min(_MOST_OCTAVES, room.governor.octaves)),
            auto=room.governor.auto,
        )
        return structs.replace(
            here,
            message=one_line(room.message),
            error=f"room: {one_line(room.error)}" if room.error else "",
            **dreamt(settings),
            shown_layer=_layer(settings.network, room.shown_layer),
            shown_channels=one_line(room.shown_channels, _LONGEST_NAME),
            shown_words=_shares(room.shown_words),
            recognised=_shares(room.recognised) if settings.surprise else (),
            unavailable=Unavailable(),
            backend=f"room: {one_line(room.backend, _LONGEST_NAME) or 'unknown'}",
            dream_fps=_number(room.dream_fps, _MOST_HZ),
            working_size=size,
            governor=governor,
            sections=_sections(room.sections),
        )


def _layer(network: str, layer: str) -> str:
    """``layer``, if it is one of the network's."""
    try:
        network_info(network).blend(layer)
    except LivedreamError:
        return ""
    return layer


def _shares(words: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    return tuple((one_line(word, _LONGEST_NAME), _number(share, 1.0)) for word, share in words[:_MOST_WORDS])


def _sections(found: dict[str, Percentiles]) -> dict[str, Percentiles]:
    return {
        one_line(name, _LONGEST_NAME): Percentiles(*(_number(v, 1e6) for v in (ms.p50, ms.p95, ms.p99)))
        for name, ms in list(found.items())[:_MOST_SECTIONS]
    }


def _number(value: float, most: float) -> float:
    return min(most, max(0.0, value)) if math.isfinite(value) else 0.0
