"""The plate with the page's address: its code is read by what reads codes, on any screen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.stage.hud import Hud, HudState, render_address

ADDRESS = "http://192.168.1.20:8400/?token=k7mq-2xtp-9fhd-w3zs"


def over(overlay: np.ndarray, grey: int) -> np.ndarray:
    alpha = overlay[..., 3:].astype(float) / 255
    return (overlay[..., :3] * alpha + grey * (1 - alpha)).astype(np.uint8)


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (720, 1280), (640, 360)])
@pytest.mark.parametrize("grey", [0, 255])
def test_the_code_can_be_read_and_everything_is_on_the_screen(size, grey):
    overlay = render_address(ADDRESS, size)
    assert overlay.shape == (size[1], size[0], 4)
    assert cv2.QRCodeDetector().detectAndDecode(over(overlay, grey))[0] == ADDRESS
    assert not overlay[0, :, 3].any()
    assert not overlay[-1, :, 3].any()
    assert not overlay[:, 0, 3].any()


def test_the_plate_goes_by_itself_or_by_its_key():
    hud, size, state = Hud(0.0), (640, 360), HudState()
    nothing = hud.overlay(state, size, 10.0)
    assert nothing is None
    hud.toggle_address(ADDRESS, 10.0)
    assert hud.overlay(state, size, 69.0) is not None
    assert hud.overlay(state, size, 70.5) is None
    hud.toggle_address(ADDRESS, 80.0)
    assert hud.overlay(state, size, 81.0) is not None
    hud.toggle_address(ADDRESS, 82.0)
    assert hud.overlay(state, size, 82.1) is None
