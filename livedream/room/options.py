"""What a room is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from livedream.errors import OutputError, UsageError
from livedream.extras import installed

#: Where a room is, unless it is told otherwise.
HOST, PORT = "127.0.0.1", 8850
#: The environment variable that has a room's token: unlike an option, it is in no list of processes.
TOKEN_VARIABLE = "LIVEDREAM_ROOM_TOKEN"
#: Sessions of one replica, unless it is told otherwise; before that it says that it is full.
SESSIONS = 16
NO_CARD = "no NVIDIA graphics card was found for the room; possible: neither --device cuda nor --gpus"


@dataclass(frozen=True, kw_only=True)
class RoomOptions:
    """See ``livedream room serve --help``.

    ``ray`` is the address of a running Ray, None for one of the room's own. ``replicas`` are the fewest and
    the most; None leaves them to :func:`plan`. ``gpus`` is None for those that Ray finds.
    """

    host: str = HOST
    port: int = PORT
    token: str = ""
    gpus: int | None = None
    ray: str | None = None
    replicas: tuple[int | None, int | None] = (None, None)
    sessions: int = SESSIONS
    tls: tuple[Path, Path] | None = None
    device: str = "auto"
    dashboard: bool = False
    log: Path | None = None

    @property
    def url(self) -> str:
        """Where mirrors go, as far as the room can know."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.tls else 'ws'}://{host}:{self.port}"

    @property
    def wants_card(self) -> bool:
        """Whether a graphics card was asked for by name."""
        return self.device == "cuda" or bool(self.gpus)


@dataclass(frozen=True)
class Plan:
    """How many replicas there are, at least and at most, and what each gets of its machine."""

    least: int
    most: int
    cpus: float
    gpus: float
    device: str

    @property
    def scales(self) -> bool:
        """Whether Ray is to choose how many."""
        return self.least < self.most


def plan(options: RoomOptions, resources: Mapping[str, float]) -> Plan:
    """Where the room's replicas go among a Ray's ``resources``, as ``ray.cluster_resources()`` has them.

    One for each graphics card; without cards, one for each processor core: batches bring nothing there, so
    more processes use more of the machine than more threads. Raises ``OutputError`` where there is nothing,
    and ``UsageError`` for replicas that could not be.
    """
    cards, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    if options.wants_card and not cards:
        raise OutputError(NO_CARD)
    dreams_on_cards = options.device == "cuda" or (options.device == "auto" and installed("torch"))
    on_cards = cards > 0 and dreams_on_cards and options.gpus != 0
    possible = cards if on_cards else cores
    if not possible:
        raise OutputError("Ray has no processor for the room")
    least, most = options.replicas
    most = most or max(possible, least or 0)
    least = least or (1 if options.replicas[1] else possible)
    if least > most:
        raise UsageError(f"--min-replicas {least} is more than --max-replicas {most}")
    if least > possible:
        kind = "graphics cards" if on_cards else "processor cores"
        raise UsageError(
            f"--min-replicas {least}: Ray has {possible} {kind}, one for each replica; possible: 1–{possible}"
        )
    device = "cuda" if on_cards else "cpu" if options.device == "auto" else options.device
    return Plan(least, most, 1.0, 1.0 if on_cards else 0.0, device)
