"""What a room is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from livedream.errors import OutputError, UsageError
from livedream.extras import installed
from livedream.web.server import reachable

#: Where a room is, unless it is told otherwise.
HOST, PORT = "127.0.0.1", 8850
#: The environment variable that has a room's token: unlike an option, it is in no list of processes.
TOKEN_VARIABLE = "LIVEDREAM_ROOM_TOKEN"
#: Sessions of one replica, unless it is told otherwise; before that it says that it is full.
SESSIONS = 16
#: Replicas that share a graphics card. What they do beside it, on the processor, is more than one process of
#: Python can do at a time; each takes about half a gigabyte of the card's memory.
PER_CARD = 8
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
        """Where mirrors go: an address of this machine, where it listens on all that it has."""
        return f"{'wss' if self.tls else 'ws'}://{reachable(self.host)}:{self.port}"

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

    :data:`PER_CARD` for each graphics card, where the machine has as many cores; without cards, one for each
    core: more processes use more of a machine than more threads. Raises ``OutputError`` where there is
    nothing, and ``UsageError`` for replicas that could not be.
    """
    cards, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    if options.wants_card and not cards:
        raise OutputError(NO_CARD)
    dreams_on_cards = options.device == "cuda" or (options.device == "auto" and installed("torch"))
    on_cards = cards > 0 and dreams_on_cards and options.gpus != 0
    possible = cores
    if not possible:
        raise OutputError("Ray has no processor for the room")
    usual = min(PER_CARD * cards, cores) if on_cards else cores
    least, most = options.replicas
    most = most or max(usual, least or 0)
    least = least or (1 if options.replicas[1] else usual)
    if least > most:
        raise UsageError(f"--min-replicas {least} is more than --max-replicas {most}")
    if least > possible:
        raise UsageError(
            f"--min-replicas {least}: Ray has {possible} processor cores, one for each replica;"
            f" possible: 1–{possible}"
        )
    device = "cuda" if on_cards else "cpu" if options.device == "auto" else options.device
    sharing = -(-min(most, possible) // cards) if on_cards else 0
    return Plan(least, most, 1.0, 1 / sharing if sharing else 0.0, device)
