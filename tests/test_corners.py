"""Corners and meshes as texts: what is possible, what is not, and how a point moves."""

from __future__ import annotations

import pytest

from livedream.corners import POINTS, corners_of, mesh_of, moved, point_name, points_text
from livedream.errors import UsageError
from livedream.settings import Settings, parse_assignment

PINNED = "2,0 98,3.5 100,100 0,100"


def test_nothing_is_the_whole_screen():
    assert corners_of("") == ((0, 0), (100, 0), (100, 100), (0, 100))
    assert corners_of(" 0,0 100,0 100,100 0,100 ") == corners_of("")
    assert points_text(corners_of("")) == points_text(mesh_of("")) == ""
    assert len(mesh_of("")) == 16


def test_a_text_survives_a_journey():
    assert points_text(corners_of(PINNED)) == PINNED
    assert Settings(corners=PINNED).corners == PINNED
    assert parse_assignment(f"corners={PINNED}") == {"corners": PINNED}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0,0 100,0 100,100", "it is not 4 points"),
        ("0,0 100,0 100,100 0", "it is not 4 points"),
        ("0,0 100,0 100,100 0,low", "more in it than numbers"),
        ("0,0 100,0 100,nan 0,100", "not within -50 to 150 %"),
        ("0,0 151,0 100,100 0,100", "not within -50 to 150 %"),
        ("0,0 100,0 0,100 100,100", "at the bottom right it is not convex"),
        ("0,0 100,0 30,30 0,100", "at the bottom right it is not convex"),
        ("0,0 100,0 100,0.5 0,0.5", "too flat"),
        ("100,0 0,0 0,100 100,100", "not convex"),  # mirrored, which is what flip is for
    ],
)
def test_a_shape_that_no_projector_can_show_is_refused(text, why):
    with pytest.raises(
        UsageError, match=rf"setting corners: invalid value .*{why}.*; expected .*four points"
    ):
        Settings(corners=text)


def test_a_mesh_that_folds_is_refused():
    with pytest.raises(UsageError, match=r"setting mesh: .*it folds at .*; expected .*sixteen"):
        moved("", "", 10, (40.0, 0.0))
    with pytest.raises(UsageError, match="it is not 16 points"):
        Settings(mesh=PINNED)


def test_a_point_moves_and_goes_back():
    corners, mesh = moved("", "", 2, (-2.0, 3.5))
    assert (corners, mesh) == ("0,0 98,3.5 100,100 0,100", "")
    corners, mesh = moved(corners, mesh, 5, (0.0, 4.0))
    assert (corners, mesh_of(mesh)[0]) == ("0,0 98,3.5 100,100 0,100", (0, 4))
    assert moved(corners, mesh, 5, None) == (corners, "")
    assert moved(corners, mesh, 2, None) == ("", mesh)
    with pytest.raises(UsageError, match="not convex"):
        moved("", "", 1, (120.0, 0.0))


def test_a_mesh_that_folds_between_its_points_is_refused():
    _, mesh = moved("", "", 10, (22.0, 0.0))
    with pytest.raises(UsageError, match="it folds at"):
        moved("", mesh, 11, (-6.0, 0.0))  # it is still to the right of the other


def test_points_have_names():
    assert [point_name(n) for n in (1, 4, 5, POINTS)] == [
        "corner 1, top left",
        "corner 4, bottom left",
        "point 1 of the mesh",
        "point 16 of the mesh",
    ]
