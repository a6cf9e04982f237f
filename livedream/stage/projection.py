"""Where a projector puts each part of a picture, and how bright: the calculation, for processor and card.

A picture passes through three squares of side 1, x to the right and y down, as whoever stands before the wall
sees them: the drawing area with the picture in it, the same bent by the mesh, and the same between the
corners. What turns that over and round is :class:`~livedream.sinks.presenting.Turn`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from livedream.corners import MESH_SIDE, corners_of, cubic_slopes, cubics, mesh_of
from livedream.frame import Array, Turn
from livedream.settings import Settings

#: The inverse of the mesh is a table of so many points a side, over the area below: 1/64 of a screen apart,
#: and made finer by so much, it is off by less than a quarter of a pixel in HD.
_TABLE, _TABLE_FROM, _TABLE_TO, _FINER = 129, -0.5, 1.5, 8
_PER_UNIT = (_TABLE - 1) / (_TABLE_TO - _TABLE_FROM)
#: Each step doubles the digits. They begin from so many samples a side of the square and what is around it.
_NEWTON_STEPS, _SAMPLES, _AROUND = 4, 320, 0.05


@dataclass(frozen=True)
class Projection:
    """How one screen is given its pictures.

    ``corners`` and ``mesh`` are the settings' texts, empty where nothing was moved. ``black`` is 0 to 1,
    ``blend`` left, right, top and bottom, each 0 to 0.5 of the drawing area.
    """

    corners: str = ""
    mesh: str = ""
    gamma: float = 1.0
    brightness: float = 1.0
    black: float = 0.0
    blend: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    blend_gamma: float = 2.2
    pattern: str = "off"

    @classmethod
    def of(cls, settings: Settings) -> Projection:
        """The projection that the settings ask for. Blackout is black, whatever else is asked for."""
        edges = (settings.blend_left, settings.blend_right, settings.blend_top, settings.blend_bottom)
        return cls(
            settings.corners,
            settings.mesh,
            settings.gamma,
            settings.brightness,
            0.0 if settings.blackout else settings.black_level / 100,
            (edges[0] / 100, edges[1] / 100, edges[2] / 100, edges[3] / 100),
            settings.blend_gamma,
            "off" if settings.blackout else settings.test_pattern,
        )

    @property
    def warps(self) -> bool:
        """Whether anything is moved."""
        return bool(self.corners or self.mesh)

    @property
    def blends(self) -> bool:
        """Whether any edge fades out."""
        return any(self.blend)

    @property
    def tones(self) -> bool:
        """Whether brightness changes everywhere."""
        return (self.gamma, self.brightness, self.black) != (1.0, 1.0, 0.0)

    @cached_property
    def matrix(self) -> Array:
        """The 3×3 matrix from the unit square to the corners."""
        square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
        corners = np.array(corners_of(self.corners), np.float32) / 100
        return np.asarray(cv2.getPerspectiveTransform(square, corners), np.float64)

    @cached_property
    def points(self) -> Array:
        """The points (4, 4, 2) of the mesh in the unit square: rows, columns, x and y."""
        if not self.mesh:
            thirds = np.linspace(0, 1, MESH_SIDE)
            return np.stack(np.meshgrid(thirds, thirds), -1)
        return np.array(mesh_of(self.mesh)).reshape(MESH_SIDE, MESH_SIDE, 2) / 100

    def where(self, at: Array) -> Array:
        """Where points ``at`` (…, 2) of the drawing area are shown on the screen."""
        bent = _bent(self.points, at) if self.mesh else at
        moved = np.concatenate([bent, np.ones_like(bent[..., :1])], -1) @ self.matrix.T
        return np.asarray(moved[..., :2] / moved[..., 2:])

    def sources(self, size: tuple[int, int]) -> Array:
        """Which point of the drawing area each pixel of a screen of ``size`` (w, h) shows: (h, w, 2) float32.

        What is outside 0 to 1 shows nothing.
        """
        width, height = size
        x = (np.arange(width, dtype=np.float32) + 0.5) / width
        y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
        inverse = np.linalg.inv(self.matrix).astype(np.float32)
        # A matrix with perspective maps the plane one to one: beyond its horizon, too, no pixel comes to lie
        # in the picture that does not belong there.
        depth = inverse[2, 0] * x + (inverse[2, 1] * y + inverse[2, 2])
        depth[np.abs(depth) < 1e-6] = 1e-6
        found = np.empty((height, width, 2), np.float32)
        for n in range(2):
            found[..., n] = (inverse[n, 0] * x + (inverse[n, 1] * y + inverse[n, 2])) / depth
        return _unbent(self.points, found) if self.mesh else found

    def weights(self, x: Array, y: Array) -> Array:
        """How bright (0..1) the picture is at ``x`` (w,), ``y`` (h,) of the drawing area: (h, w) float32."""
        left, right, top, bottom = self.blend
        across = _ramp(x, left) * _ramp(1 - x, right)
        down = _ramp(y, top) * _ramp(1 - y, bottom)
        light = np.asarray(down[:, None] * across[None], np.float32)
        return np.asarray(light ** np.float32(1 / self.blend_gamma))

    def curve(self) -> Array:
        """What becomes of each level, without the black level: (256,) float in 0..1."""
        levels = np.arange(256) / 255
        return np.asarray(np.minimum(1.0, self.brightness * levels ** (1 / self.gamma)))


def _ramp(distance: Array, width: float) -> Array:
    """0 at an edge, 1 at ``width`` from it; with what the other projector shows there it makes 1."""
    if not width:
        return np.ones_like(distance)
    t = np.clip(distance / width, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _basis(t: Array) -> Array:
    """:func:`livedream.corners.cubics` of numbers (…): (…, 4). Outside 0 to 1 they go straight on."""
    edge = np.clip(t, 0, 1)
    within: Array = np.stack(cubics(edge), -1)  # type: ignore[arg-type]
    return np.asarray(within + (t - edge)[..., None] * _slope(t))


def _slope(t: Array) -> Array:
    """:func:`livedream.corners.cubic_slopes` of numbers (…): (…, 4)."""
    return np.stack(cubic_slopes(np.clip(t, 0, 1)), -1)  # type: ignore[arg-type]


def _surface(points: Array, down: Array, across: Array) -> Array:
    """The sum (…, 2) of the points of a mesh, weighed by the polynomials (…, 4) of each direction."""
    return np.stack([((down @ points[..., n]) * across).sum(-1) for n in range(2)], -1)


def _bent(points: Array, at: Array) -> Array:
    """The smooth surface through the points of a mesh, at points (…, 2) of the unit square."""
    return _surface(points, _basis(at[..., 1]), _basis(at[..., 0]))


def _unbent(points: Array, found: Array) -> Array:
    """The inverse of :func:`_bent` at ``found`` (h, w, 2) float32, by a table."""
    table = _inverse_table(points)
    # OpenCV looks up at 1/32 of a cell, which would be a pixel.
    fine = cv2.resize(table, None, fx=_FINER, fy=_FINER, interpolation=cv2.INTER_LINEAR)
    cells = (found - np.float32(_TABLE_FROM)) * np.float32(_PER_UNIT)
    cells = (cells + np.float32(0.5)) * np.float32(_FINER) - np.float32(0.5)
    return cv2.remap(
        fine,
        cells[..., 0],
        cells[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(-1, -1),
    )


def _inverse_table(points: Array) -> Array:
    """Where in the unit square the surface is at each point of a grid: (n, n, 2) float32."""
    line = np.linspace(_TABLE_FROM, _TABLE_TO, _TABLE)
    wanted = np.stack(np.meshgrid(line, line), -1)
    at = _nearby(points, wanted)
    for _ in range(_NEWTON_STEPS):
        across, down = _basis(at[..., 0]), _basis(at[..., 1])
        off = _surface(points, down, across) - wanted
        by_x = _surface(points, down, _slope(at[..., 0]))
        by_y = _surface(points, _slope(at[..., 1]), across)
        area = by_x[..., 0] * by_y[..., 1] - by_x[..., 1] * by_y[..., 0]
        area[np.abs(area) < 1e-3] = 1e-3
        at[..., 0] -= (off[..., 0] * by_y[..., 1] - off[..., 1] * by_y[..., 0]) / area
        at[..., 1] -= (off[..., 1] * by_x[..., 0] - off[..., 0] * by_x[..., 1]) / area
        np.clip(at, _TABLE_FROM, _TABLE_TO, out=at)
    # Outside, the steps may end anywhere. What does not come back to where it belongs goes outwards instead:
    # between it and its neighbours nothing of the picture can appear.
    lost = np.abs(_bent(points, at) - wanted).max(-1) > 1e-3
    outwards = wanted[lost] - 0.5
    at[lost] = 0.5 + outwards / np.maximum(np.abs(outwards).max(-1, keepdims=True), 1e-6)
    return at.astype(np.float32)


def _nearby(points: Array, wanted: Array) -> Array:
    """A point of the unit square, or near it, that the surface shows close to each of ``wanted``, if any."""
    at = wanted.copy()
    line = np.linspace(-_AROUND, 1 + _AROUND, _SAMPLES)
    samples = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    cells = np.rint((_bent(points, samples) - _TABLE_FROM) * _PER_UNIT).astype(int)
    inside = ((cells >= 0) & (cells < _TABLE)).all(-1)
    at[cells[inside, 1], cells[inside, 0]] = samples[inside]
    return at


def turn_of(settings: Settings) -> Turn:
    """How the settings say that the screen hangs."""
    flip = settings.flip
    return Turn(settings.rotate, flip in ("horizontal", "both"), flip in ("vertical", "both"))
