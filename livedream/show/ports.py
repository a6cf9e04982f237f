"""What the show's loop is plugged into: the other processes, and the outputs. Tests plug in their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from livedream.frame import Array, Image
from livedream.ipc.protocol import AudioStatus, DreamStatus, Order, SourceStatus
from livedream.ipc.slots import Value
from livedream.settings import Settings
from livedream.show.fallback import Fallback
from livedream.show.faults import Fault
from livedream.show.snapshot import Stats
from livedream.sinks.port import OutputState, Stamp
from livedream.sinks.window import Event
from livedream.stage.scene import Scene


class Feeds(Protocol):
    """Where frames, residuals and statuses come from, and where orders go."""

    @property
    def source(self) -> SourceStatus:
        """What the camera process said last."""

    @property
    def dream(self) -> DreamStatus:
        """What the dream process said last."""

    @property
    def faults(self) -> int:
        """How many faults of the camera, the dream and their processes there have been."""

    @property
    def fault_list(self) -> list[Fault]:
        """These by kind, the last first."""

    @property
    def fallback(self) -> Fallback:
        """What the dream has fallen back to, if it keeps failing."""

    @property
    def audio(self) -> AudioStatus | None:
        """What the audio process said last, None where nobody listens."""

    def hear(self, name: str) -> float:
        """How loud a band of the sound is now, or the pulse of an onset: 0..1."""

    def frame(self) -> Value | None:
        """The newest frame, None when there is none since the last call."""

    def residual(self) -> Value | None:
        """The newest residual, None when there is none since the last call."""

    def change_source(self, spec: str, now: float) -> None:
        """Show another source. Raises ``SourceError``."""

    def order(self, order: Order) -> None:
        """Give the dream process its newest order."""

    def listen(self, now: float) -> None:
        """Take the newest statuses."""

    def check(self, now: float) -> list[str]:
        """Start and restart what must be; what went wrong just now."""

    def pids(self) -> Mapping[str, int]:
        """The running processes by name, ``camera`` and ``dream``."""


class Front(Protocol):
    """Where pictures go, and where a person at the screen acts."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) to composite to, upright."""

    @property
    def page(self) -> str:
        """The address of the control page with its token, "" while there is none."""

    @property
    def has_vsync(self) -> bool:
        """Whether :meth:`show` waits for the screen; if not, the loop paces itself."""

    @property
    def hud_size(self) -> tuple[int, int] | None:
        """(width, height) of the overlay; None where there is no screen to lay it over."""

    @property
    def recording_s(self) -> float | None:
        """How long a recording has been running, or None."""

    def poll(self) -> list[Event]:
        """What happened in the window since the last call."""

    def begin(self) -> None:
        """The show begins."""

    @property
    def renderer(self) -> str:
        """Where the window's picture is composited: ``gl`` or ``cpu``."""

    def show(self, scene: Scene, overlay: Array | None, stamp: Stamp, now: float) -> None:
        """Put a scene out."""

    def tend(self, now: float) -> bool:
        """Open again what had failed; whether the last scene must be shown again, as nobody has seen it."""

    def follow(self, settings: Settings) -> None:
        """Take over the settings that are the screen's."""

    def toggle_full_screen(self) -> None:
        """Between a window and the full screen."""

    def toggle_recording(self) -> str:
        """Start or stop a recording; what was done, in words. Raises ``OutputError``."""

    def snapshot(self, picture: Image, settings: Settings) -> Path:
        """Start to save a picture. Raises ``OutputError``."""

    def tell(self, values: Callable[[], Stats]) -> None:
        """Publish the newest statistics."""

    @property
    def failing(self) -> tuple[str, ...]:
        """The outputs that do not work now, and are tried again."""

    @property
    def states(self) -> tuple[OutputState, ...]:
        """How each output is."""

    def faults(self) -> list[str]:
        """What has failed since the last call."""

    def finish(self) -> None:
        """Finish the recording that was asked for at the start. Raises ``OutputError``."""
