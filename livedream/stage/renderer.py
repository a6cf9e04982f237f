"""Composites scenes on a graphics card, with OpenGL through moderngl.

Only what is small or new travels to the card: the camera frame at its own size, and residual, flow and mask
at working size. Everything at full resolution happens there, in one pass.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from livedream.frame import Array, Image, Turn
from livedream.stage import colours, contour_shaders, contours, shaders
from livedream.stage.ink import DARKEST, INK, LIGHTEST, PAPER
from livedream.stage.painting import SHARPEN, SHARPEN_PX
from livedream.stage.projection import Projection
from livedream.stage.projector import Projector, fitted_size, picture_box
from livedream.stage.scene import Dream, Scene, Size, still

if TYPE_CHECKING:
    import moderngl

#: From the unit square, y down, to the screen of OpenGL, y up; and to the rows of a texture, first row first.
_TO_SCREEN = np.array([[2, 0, -1], [0, -2, 1], [0, 0, 1]], np.float32)
_UNTURNED = Turn()
_TO_TEXTURE = np.array([[2, 0, -1], [0, 2, -1], [0, 0, 1]], np.float32)
#: A mesh is drawn as so many flat cells a side: in HD none is off by more than a tenth of a pixel.
_CELLS = 48
#: A warped picture is drawn with so much around it, in its widths, to make its edges smooth.
_MARGIN = 0.01
_PROGRAMS = (
    *(shaders.WARP, shaders.TINT, shaders.LAYER, shaders.SHARPEN, shaders.RANGE),
    *(contour_shaders.CONTOUR, contour_shaders.SMOOTH, contour_shaders.AWAY),
    *(contour_shaders.STEPS, contour_shaders.ENLARGE, contour_shaders.BEND),
    *(shaders.PICTURE, shaders.OVERLAY),
)


def turned(turn: Turn) -> Array:
    """The 3×3 matrix that turns the unit square (y down) as a screen hangs."""
    x, y = int(turn.flip_x), int(turn.flip_y)
    over = np.array([[1 - 2 * x, 0, x], [0, 1 - 2 * y, y], [0, 0, 1]], np.float32)
    quarter = np.array([[0, -1, 1], [1, 0, 0], [0, 0, 1]], np.float32)
    return np.asarray(np.linalg.matrix_power(quarter, turn.rotate // 90 % 4) @ over, np.float32)


def gaussian(radius_px: float) -> list[float]:
    """The weights of the middle pixel, its neighbours and theirs in a Gaussian of five pixels."""
    weights = [math.exp(-(n**2) / (2 * radius_px**2)) for n in range(3)]
    total = weights[0] + 2 * sum(weights[1:])
    return [weight / total for weight in weights]


class Renderer:
    """Draws scenes into whatever framebuffer is bound, with a moderngl context of OpenGL 3.3 or later.

    The last thing that happens to a picture is what ``projector`` says of its screen.
    """

    def __init__(self, context: moderngl.Context, projector: Projector | None = None) -> None:
        self._context = context
        self._projector = projector or Projector()
        programs = [
            context.program(
                vertex_shader=shaders.PROJECTED if fragment is shaders.PICTURE else shaders.VERTEX,
                fragment_shader=fragment,
            )
            for fragment in _PROGRAMS
        ]
        self._warp, self._tint, self._layer, self._sharpen, self._range, *rest = programs
        self._contour, self._smooth, self._away, self._steps, self._enlarge, self._bend, *rest = rest
        self._picture, self._overlay = rest
        self._arrays = {program: context.vertex_array(program, []) for program in programs}
        self._textures: dict[str, moderngl.Texture] = {}
        self._uploaded: dict[str, Array] = {}
        self._targets: dict[str, moderngl.Framebuffer] = {}
        for program in programs[:-2]:
            self._set(program, place=_matrix(_TO_TEXTURE))
        self._set(self._sharpen, weights=gaussian(SHARPEN_PX), amount=SHARPEN)
        self._set(self._contour, levels=contours.SLOPE_LEVELS)
        self._set(self._smooth, weights=gaussian(contours.SMOOTH_PX))
        self._set(self._away, reach=contours.REACH_PX, most=contours.MOST_PX)
        self._set(self._tint, least=colours.ROOM_LEVELS, noise=colours.NOISE_LEVELS)
        self._set(self._tint, warm=tuple(colours.WARM), cosines=colours.WARM_COSINES)
        self._set(self._tint, warm_room=colours.WARM_ROOM, dark=colours.DARK, bright=colours.BRIGHT)
        tones = [tuple(level / 255 for level in tone) for tone in (INK, PAPER)]
        self._set(self._picture, tones=tones, tone_limits=(DARKEST / 255, LIGHTEST / 255))

    def paint(self, scene: Scene | Image, overlay: Array | None, size: Size, turn: Turn = _UNTURNED) -> None:
        """Draw a scene, or a picture (RGB uint8, (H, W, 3)), as large as fits into ``size``, and ``overlay``.

        ``size`` (w, h) is that of the framebuffer, ``turn`` how its screen hangs. ``overlay`` is RGBA uint8
        (H, W, 4), uploaded once per array object, laid over the whole screen wherever the picture is on it.
        """
        target, projection = self._context.fbo, self._projector.projection
        upright = (size[1], size[0]) if turn.rotate in (90, 270) else size
        if projection.pattern != "off":
            scene = self._projector.pattern(upright)
        scene = scene if isinstance(scene, Scene) else still(scene)
        visible = scene.image.shape[1], scene.image.shape[0]
        shape = fitted_size(visible, upright)
        layer = limits = "camera"
        if scene.dream is not None:
            layer, limits = self._draw_layer(scene.dream, shape[0]), "range"
            target.use()
        self._context.disable(self._context.BLEND)
        target.viewport = (0, 0, *size)
        target.clear()
        screen = _TO_SCREEN @ turned(turn)
        self._project(projection, screen, picture_box(visible, upright))
        self._upload("camera", scene.image)
        self._set(self._picture, size=shape, mirrored=scene.mirror)
        self._set(self._picture, dreams=scene.dream is not None)
        self._set(self._picture, ink=0.0 if scene.dream is None else scene.dream.ink)
        cells = _CELLS if projection.mesh else 1
        self._use(self._picture, camera="camera", layer=layer, range=limits)
        self._arrays[self._picture].render(self._context.TRIANGLES, vertices=6 * cells**2)
        if overlay is not None:
            self._upload("overlay", overlay)
            self._context.enable(self._context.BLEND)
            self._set(self._overlay, place=_matrix(screen))
            self._draw(self._overlay, overlay="overlay")

    def _project(self, projection: Projection, screen: Array, box: tuple[float, float, float, float]) -> None:
        """Say where the picture in ``box`` of the drawing area goes, and how bright it is."""
        left, top, width, height = box
        boxed = np.array([[width, 0, left], [0, height, top], [0, 0, 1]], np.float32)
        place = screen @ projection.matrix.astype(np.float32)
        self._set(self._picture, box=_matrix(boxed), place=_matrix(place), warps=projection.warps)
        self._set(self._picture, margin=_MARGIN if projection.warps else 0.0, bends=bool(projection.mesh))
        if projection.mesh:
            self._set(self._picture, points=np.ascontiguousarray(projection.points, np.float32).tobytes())
        self._set(self._picture, cells=_CELLS if projection.mesh else 1, gamma=projection.gamma)
        self._set(self._picture, brightness=projection.brightness, black=projection.black)
        self._set(self._picture, blend=projection.blend, blend_gamma=projection.blend_gamma)

    def _draw_layer(self, dream: Dream, picture_width: int) -> str:
        """The name of the texture that the layer is in; its limits are in ``range``."""
        mixture, flow = dream.mixture, dream.flow
        hidden = (1 - mixture.camera) * min(1.0, dream.strength) * dream.alpha
        gain = dream.strength * dream.alpha
        self._upload("residual", dream.residual)
        self._upload("under", dream.under)
        if flow is not None:
            self._upload("flow", flow)
        if mixture.mask is not None:
            self._upload("mask", mixture.mask)
        wash = dream.wash()
        if wash is not None:
            self._upload("wash", wash)
        size = (dream.residual.shape[1], dream.residual.shape[0])
        self._set(self._warp, moves=flow is not None, feedback=dream.feedback)
        flow_from = "flow" if flow is not None else "residual"
        self._pass("dream", size, self._warp, residual="residual", flow=flow_from)
        self._set(self._tint, feedback=dream.feedback, restraint=dream.restraint, gain=gain)
        self._pass("tint", (size[0] // 2, size[1] // 2), self._tint, dream="dream", under="under")
        self._set(self._layer, masked=mixture.mask is not None, washed=wash is not None)
        self._set(self._layer, feedback=dream.feedback, hidden=hidden)
        self._set(self._layer, saturation=mixture.saturation, strength=gain)
        maps = {
            "mask": "mask" if mixture.mask is not None else "residual",
            "wash": "wash" if wash is not None else "residual",
        }
        self._pass("layer", size, self._layer, dream="dream", tint="tint", under="under", **maps)
        self._pass("sharp", size, self._sharpen, layer="layer")
        for target, source, shape in (("columns", "sharp", (size[0], 1)), ("range", "columns", (1, 1))):
            self._set(self._range, columns=source == "sharp")
            self._pass(target, shape, self._range, image=source)
        scale = contours.grid_scale(size[0], picture_width)
        return self._bent(size, scale) if scale else "sharp"

    def _bent(self, size: Size, scale: int) -> str:
        """The texture with the sharpened layer enlarged by ``scale`` and bent along its contours."""
        grid = size[0] * scale, size[1] * scale
        self._pass("contour", size, self._contour, layer="sharp")
        self._pass("smooth", size, self._smooth, contour="contour")
        self._pass("away", size, self._away, contour="smooth")
        self._pass("stepped", size, self._steps, layer="sharp", range="range")
        self._pass("large", grid, self._enlarge, layer="stepped", range="range")
        self._set(self._bend, scale=scale)
        self._pass("bent", grid, self._bend, layer="large", away="away", range="range")
        return "bent"

    def _pass(self, target: str, size: Size, program: moderngl.Program, **textures: str) -> None:
        """Draw into the texture ``target`` of ``size``."""
        self._into(target, size)
        self._draw(program, **textures)

    def _draw(self, program: moderngl.Program, **textures: str) -> None:
        self._use(program, **textures)
        self._arrays[program].render(self._context.TRIANGLE_STRIP, vertices=4)

    def _use(self, program: moderngl.Program, **textures: str) -> None:
        for unit, (sampler, name) in enumerate(textures.items()):
            self._textures[name].use(unit)
            self._set(program, **{sampler: unit})

    def _set(self, program: moderngl.Program, **uniforms: Any) -> None:
        for name, value in uniforms.items():
            uniform: Any = program.get(name, None)
            if uniform is None:  # what a driver has no use for, it leaves out
                continue
            if isinstance(value, bytes):
                uniform.write(value)
            else:
                uniform.value = value

    def _into(self, name: str, size: Size) -> None:
        """Draw into the texture ``name`` from now on, four floats per pixel."""
        if name not in self._targets or self._targets[name].size != size:
            self._release(name)
            self._textures[name] = self._context.texture(size, 4, dtype="f4")
            self._targets[name] = self._context.framebuffer([self._textures[name]])
        self._context.disable(self._context.BLEND)
        self._targets[name].use()
        self._targets[name].viewport = (0, 0, *size)

    def _upload(self, name: str, array: Array) -> None:
        """Bring ``array`` into the texture ``name``, unless it is there already."""
        if self._uploaded.get(name) is array:
            return
        height, width = array.shape[:2]
        channels = array.shape[2] if array.ndim == 3 else 1
        kind = "f1" if array.dtype == np.uint8 else "f4"
        texture = self._textures.get(name)
        if texture is None or (*texture.size, texture.components, texture.dtype) != (
            width,
            height,
            channels,
            kind,
        ):
            self._release(name)
            texture = self._textures[name] = self._context.texture(
                (width, height), channels, dtype=kind, alignment=1
            )
            texture.repeat_x = texture.repeat_y = False
        texture.write(np.ascontiguousarray(array if kind == "f1" else array.astype(np.float32, copy=False)))
        self._uploaded[name] = array

    def _release(self, name: str) -> None:
        for kept in (self._targets, self._textures):
            if name in kept:
                kept.pop(name).release()
        self._uploaded.pop(name, None)

    def close(self) -> None:
        """Release everything on the graphics card."""
        for name in [*self._textures]:
            self._release(name)
        for program, array in self._arrays.items():
            array.release()
            program.release()


def _matrix(matrix: Array) -> bytes:
    """A matrix as OpenGL wants it: column by column."""
    return np.ascontiguousarray(matrix.T, np.float32).tobytes()
