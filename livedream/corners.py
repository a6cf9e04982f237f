"""The syntax of the settings ``corners`` and ``mesh``: points on a screen, in % of its width and height.

``corners`` is ``x,y`` four times, clockwise from the top left one, as whoever stands before the wall sees
them. ``mesh`` is sixteen such points in four rows, which bend the picture between the corners. Either is
empty while no point has been moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from livedream.errors import UsageError, quoted

Point = tuple[float, float]  # x to the right and y down, in %

#: The names of the corners in their order.
CORNER_NAMES = ("top left", "top right", "bottom right", "bottom left")
#: Points in a row of the mesh, and in a column.
MESH_SIDE = 4
#: How many points there are to move: the corners, then those of the mesh, row by row. They count from 1.
POINTS = len(CORNER_NAMES) + MESH_SIDE**2
#: What each text may be, in words.
CORNERS_ARE = (
    "nothing for the whole screen; or four points x,y in %, clockwise from the top left, such as"
    " 2,0 98,3 100,100 0,100"
)
MESH_IS = "nothing; or sixteen points x,y in %, in four rows from the top left"

_WHOLE: tuple[Point, ...] = ((0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0))
_THIRDS = (0.0, 33.33, 66.67, 100.0)
_FLAT: tuple[Point, ...] = tuple((x, y) for y in _THIRDS for x in _THIRDS)
#: A point may be outside the screen, but not lost.
_LOW, _HIGH = -50.0, 150.0
#: The least area of the parallelogram at a corner, in %²: a tenth of the screen each way.
_LEAST_AREA = 100.0

#: A mesh is looked at in so many places a side, and may shrink no area to less than this.
_LOOKS, _LEAST_SHRINKING = 10, 0.05


@lru_cache(maxsize=64)
def corners_of(text: str) -> tuple[Point, ...]:
    """The four corners that ``text`` stands for. Raises ``UsageError``."""
    points = _points("corners", text, _WHOLE, CORNERS_ARE)
    for n, name in enumerate(CORNER_NAMES):
        if _area(points[n - 1], points[n], points[(n + 1) % 4]) < _LEAST_AREA:
            raise _refused("corners", text, f"at the {name} it is not convex, or too flat", CORNERS_ARE)
    return points


@lru_cache(maxsize=64)
def mesh_of(text: str) -> tuple[Point, ...]:
    """The sixteen points of the mesh that ``text`` stands for, row by row. Raises ``UsageError``."""
    points = _points("mesh", text, _FLAT, MESH_IS)
    for v in range(_LOOKS):
        for u in range(_LOOKS):
            by_x, by_y = _slopes(points, u, v)
            if by_x[0] * by_y[1] - by_x[1] * by_y[0] < _LEAST_SHRINKING:
                x, y = (100 * n / (_LOOKS - 1) for n in (u, v))
                raise _refused("mesh", text, f"it folds at {x:.0f},{y:.0f} %", MESH_IS)
    return points


def cubics(t: float) -> tuple[float, float, float, float]:
    """The four cubic polynomials that are each 1 at its own of 0, 1/3, 2/3 and 1, and 0 at the others.

    Between its points a mesh is the smooth surface that they make: no wall has creases.
    """
    a, b, c, d = 3 * t, 3 * t - 1, 3 * t - 2, 3 * t - 3
    return -b * c * d / 6, a * c * d / 2, -a * b * d / 2, a * b * c / 6


def cubic_slopes(t: float) -> tuple[float, float, float, float]:
    """The derivatives of :func:`cubics`."""
    a, b, c, d = 3 * t, 3 * t - 1, 3 * t - 2, 3 * t - 3
    return (
        -(c * d + b * d + b * c) / 2,
        3 * (c * d + a * d + a * c) / 2,
        -3 * (b * d + a * d + a * b) / 2,
        (b * c + a * c + a * b) / 2,
    )


def _slopes(points: Sequence[Point], u: int, v: int) -> tuple[Point, Point]:
    """How the surface of a mesh goes on to the right and down, at one of the places that are looked at."""

    def summed(down: Sequence[float], across: Sequence[float]) -> Point:
        weights = [y * x / 100 for y in down for x in across]
        x, y = (sum(w * point[n] for w, point in zip(weights, points, strict=True)) for n in (0, 1))
        return x, y

    return summed(_CUBICS[v], _SLOPES[u]), summed(_SLOPES[v], _CUBICS[u])


def moved(corners: str, mesh: str, number: int, by: Point | None) -> tuple[str, str]:
    """Both texts when point ``number`` (1 to ``POINTS``) is moved by ``by``, or back to where it began.

    Raises ``UsageError`` when it cannot go there.
    """
    is_corner = number <= len(CORNER_NAMES)
    points = list(corners_of(corners) if is_corner else mesh_of(mesh))
    n = number - 1 if is_corner else number - 1 - len(CORNER_NAMES)
    x, y = points[n]
    points[n] = (_WHOLE if is_corner else _FLAT)[n] if by is None else (x + by[0], y + by[1])
    text = points_text(points)
    (corners_of if is_corner else mesh_of)(text)
    return (text, mesh) if is_corner else (corners, text)


def point_name(number: int) -> str:
    """What to call point ``number``: ``corner 2, top right`` or ``point 7 of the mesh``."""
    if number <= len(CORNER_NAMES):
        return f"corner {number}, {CORNER_NAMES[number - 1]}"
    return f"point {number - len(CORNER_NAMES)} of the mesh"


def points_text(points: Sequence[Point]) -> str:
    """The inverse of :func:`corners_of` and :func:`mesh_of`."""
    rounded = tuple((round(x, 2), round(y, 2)) for x, y in points)
    return "" if rounded in (_WHOLE, _FLAT) else " ".join(f"{x:g},{y:g}" for x, y in rounded)


def _points(name: str, text: str, whole: tuple[Point, ...], possible: str) -> tuple[Point, ...]:
    """The points in a text. Raises ``UsageError``."""
    words = text.split()
    if not words:
        return whole
    try:
        points = [tuple(map(float, word.split(","))) for word in words]
    except ValueError as error:
        raise _refused(name, text, "there is more in it than numbers", possible) from error
    if len(points) != len(whole) or any(len(point) != 2 for point in points):
        raise _refused(name, text, f"it is not {len(whole)} points", possible)
    if not all(_LOW <= value <= _HIGH for point in points for value in point):  # NaN fails this too
        raise _refused(name, text, f"a point is not within {_LOW:g} to {_HIGH:g} %", possible)
    return tuple((x, y) for x, y in points)


def _area(before: Point, point: Point, after: Point) -> float:
    """The area beside a point in a clockwise walk: above 0 where it turns right, as at a convex corner."""
    return (point[0] - before[0]) * (after[1] - point[1]) - (point[1] - before[1]) * (after[0] - point[0])


def _refused(name: str, text: str, why: str, possible: str) -> UsageError:
    return UsageError(f"setting {name}: invalid value {quoted(text)}: {why}; expected {possible}")


_CUBICS, _SLOPES = ([of(n / (_LOOKS - 1)) for n in range(_LOOKS)] for of in (cubics, cubic_slopes))
