"""Opens the controls that the options ask for."""

from __future__ import annotations

from livedream.controls.desk import Desk
from livedream.controls.keyboard import Keyboard
from livedream.controls.port import Control, Controls
from livedream.show.options import MirrorOptions
from livedream.web.site import Site


def open_controls(options: MirrorOptions, desk: Desk, keyboard: Keyboard, site: Site) -> Controls:
    """The keyboard, and every control that the options ask for. Those that answer over HTTP add to ``site``.

    Raises ``UsageError`` or ``OutputError`` for one that cannot be opened.
    """
    controls: list[Control] = [keyboard]
    return Controls(*controls)
