"""What the controls are started with: the command line's choices about the page and other remote hands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ControlOptions:
    """``listen`` is the (address, port) at which others may reach the page; a port of None is the usual one.

    ``token`` is what they must know; empty, it is the one that this machine keeps.
    """

    listen: tuple[str, int | None] | None = None
    token: str = ""
