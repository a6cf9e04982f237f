"""The settings of a screen or a projector in its place, as part of :class:`livedream.settings.Settings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from livedream.corners import CORNERS_ARE, MESH_IS, POINTS, corners_of, mesh_of
from livedream.fields import LIVE, choice, number, text

#: What can be shown in place of the picture.
TEST_PATTERNS = ("off", "grid", "face", "bars", "white")


def _edge(side: str) -> Any:
    help = f"how much of the picture at the {side} fades out, because another projector shows it, too"
    return number(0.0, 0.0, 50.0, 0.5, "%", help, "show", "place", LIVE)


@dataclass(frozen=True)
class ProjectionSettings:
    """How the picture is thrown onto its wall."""

    display: str = text(
        "",
        "nothing for the first; a screen's number, counted from 0; or a part of its name, such as EPSON",
        "the screen of the mirror; while it is not there, the first",
        "place",
        LIVE,
        "show",
    )
    flip: str = choice(
        "none",
        "turn the picture over: horizontal behind a screen, both for a projector that hangs upside down",
        "show",
        ("none", "horizontal", "vertical", "both"),
        scope="place",
        used_by=LIVE,
    )
    corners: str = text(
        "",
        CORNERS_ARE,
        "where the corners of the picture are on the screen",
        "place",
        LIVE,
        "show",
        corners_of,
    )
    mesh: str = text(
        "",
        MESH_IS,
        "bends the picture between its corners, for a curved wall",
        "place",
        LIVE,
        "show",
        mesh_of,
    )
    gamma: float = number(
        1.0, 0.3, 3.0, 0.05, "", "brightness of the mid-tones on the screen", "show", "place", LIVE, "log"
    )
    brightness: float = number(
        1.0,
        0.1,
        2.0,
        0.05,
        "×",
        "brightness on the screen; what is too bright is cut off",
        "show",
        "place",
        LIVE,
    )
    black_level: float = number(
        0.0, 0.0, 30.0, 0.5, "%", "how bright black is, but for blended edges", "show", "place", LIVE
    )
    blend_left: float = _edge("left")
    blend_right: float = _edge("right")
    blend_top: float = _edge("top")
    blend_bottom: float = _edge("bottom")
    blend_gamma: float = number(
        2.2, 1.0, 3.0, 0.1, "", "the projectors' gamma, for even blended edges", "show", "place", LIVE
    )
    test_pattern: str = choice(
        "off", "show a test pattern in the window", "show", TEST_PATTERNS, scope="person", used_by=LIVE
    )
    edit_point: int = number(
        0,
        0,
        POINTS,
        1,
        "",
        "the point that the arrow keys move: 0 none, 1–4 a corner, 5–20 a point of the mesh",
        "show",
        "person",
        LIVE,
    )
