"""The information window: on another screen than the picture, and never on that."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.errors import OutputError
from livedream.sinks.hud_window import HudWindow
from livedream.sinks.window import Window

pytestmark = pytest.mark.screen
OVERLAY = np.full((60, 80, 4), 255, np.uint8)


@pytest.fixture
def window():
    with Window(full_screen=False, size=(128, 72), renderer="cpu") as found:
        yield found


@pytest.mark.parametrize(("display", "why"), [("0", "it is the picture's"), ("projector", "it is not there")])
def test_another_screen_has_to_be_there(window, display, why):
    with pytest.raises(OutputError, match=why):
        HudWindow(display, window.screen.index)


def test_an_overlay_is_drawn_once_and_black_without_one(window):
    with HudWindow("0", None) as hud:
        drawn = []
        hud._presenter.show = lambda picture, overlay, turn: drawn.append(overlay)
        for overlay in (None, None, OVERLAY, OVERLAY, None):
            hud.tell(overlay)
        assert [overlay is OVERLAY for overlay in drawn] == [False, True, False]
        assert hud.size == window.screen.size
        assert not hud.watched


def test_both_windows_take_pictures_side_by_side(window):
    with HudWindow("0", None) as hud:
        for level in (50, 200):
            window.show(np.full((72, 128, 3), level, np.uint8), None)
            hud.tell(np.full((60, 80, 4), level, np.uint8))
        window.poll()
    window.show(np.full((72, 128, 3), 9, np.uint8), None)
