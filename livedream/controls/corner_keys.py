"""What keys mean while a corner or a point of the mesh is being moved: the setting ``edit_point``."""

from __future__ import annotations

from livedream.controls.actions import Action, Cycle, MovePoint, Set
from livedream.corners import CORNER_NAMES, POINTS

#: One press, in % of the screen: a finger's width on a large wall, and with Shift a pixel in HD.
_STEP, _FINE = 0.5, 0.05
_ARROWS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
#: What is said of these keys on the screen.
KEYS_HELP = (
    "arrows move it, with Shift finely",
    "1 to 4 or Tab: another point · G: test pattern",
    "Backspace: back to its place, with Shift all · Enter: done",
)


def corner_actions(
    point: int, key: str, shift: bool = False, repeat: bool = False
) -> tuple[Action, ...] | None:
    """What a key asks for while ``point`` (from 1) is being moved; None where it means what it always does.

    ``repeat`` says that the key is being held: only arrows go on then.
    """
    if key in _ARROWS:
        x, y = _ARROWS[key]
        step = _FINE if shift else _STEP
        return (MovePoint((step * x, step * y)),)
    actions: tuple[Action, ...] | None = None
    if key.isdecimal():
        actions = (Set("edit_point", int(key)),) if 1 <= int(key) <= len(CORNER_NAMES) else ()
    elif key == "tab":
        actions = (Set("edit_point", (point - 1 + (-1 if shift else 1)) % POINTS + 1),)
    elif key == "backspace":
        actions = (Set("corners", ""), Set("mesh", "")) if shift else (MovePoint(None),)
    elif key == "g":
        actions = (Cycle("test_pattern", -1 if shift else 1),)
    elif key in ("return", "enter", "escape"):
        actions = (Set("edit_point", 0),)
    return () if repeat and actions else actions
