"""What is shown of the points that can be moved: unwarped, one of them marked, the same until one moves."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.settings import Settings
from livedream.stage.point_editor import PointEditor, points_on_screen

SIZE = (640, 360)
ACCENT = [255, 206, 112, 255]


def test_there_is_nothing_unless_a_point_is_being_moved():
    assert PointEditor(("arrows move it",)).overlay(Settings(), SIZE) is None


def test_the_point_is_marked_where_it_is_on_the_screen():
    overlay = PointEditor(()).overlay(Settings(edit_point=2, corners="10,20 80,30 95,95 5,95"), SIZE)
    assert overlay.shape == (360, 640, 4)
    assert overlay[108 - 7, 512].tolist() == ACCENT
    assert overlay[72 - 5, 64].tolist() != ACCENT
    assert overlay[72, 64 - 5, 3] > 0


def test_the_same_array_until_something_changes():
    editor, settings = PointEditor(()), Settings(edit_point=1)
    first = editor.overlay(settings, SIZE)
    assert editor.overlay(settings.replace(strength=2.0), SIZE) is first
    assert editor.overlay(settings, SIZE, "it is not convex") is not first
    assert editor.overlay(settings.replace(edit_point=2), SIZE) is not first


def test_points_of_the_mesh_are_shown_between_the_corners():
    places = points_on_screen(Settings(edit_point=5, corners="50,50 100,50 100,100 50,100"))
    assert [*places] == [*range(5, 21)]
    np.testing.assert_allclose([places[5], places[20]], [(0.5, 0.5), (1, 1)], atol=1e-6)
    assert places[6] == pytest.approx((0.5 + 0.5 / 3, 0.5), abs=1e-6)
