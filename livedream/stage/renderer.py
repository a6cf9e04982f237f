"""Composites scenes on a graphics card, with OpenGL through moderngl.

Only what is small or new travels to the card: the camera frame at its own size, and residual, flow and mask
at working size. Everything at full resolution happens there, in one pass.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from livedream.frame import Array, Image
from livedream.stage import shaders
from livedream.stage.composite import picture_size
from livedream.stage.ink import DARKEST, INK, LIGHTEST, PAPER
from livedream.stage.painting import SHARPEN, SHARPEN_PX
from livedream.stage.scene import Dream, Scene, Size, still

if TYPE_CHECKING:
    import moderngl

#: From the unit square, y down, to the screen of OpenGL, y up; and to the rows of a texture, first row first.
_TO_SCREEN = np.array([[2, 0, -1], [0, -2, 1], [0, 0, 1]], np.float32)
_TO_TEXTURE = np.array([[2, 0, -1], [0, 2, -1], [0, 0, 1]], np.float32)
_UNTURNED = np.eye(3, dtype=np.float32)


def turned(degrees: int) -> Array:
    """The 3×3 matrix that turns the unit square (y down) clockwise by 0, 90, 180 or 270 degrees."""
    quarter = np.array([[0, -1, 1], [1, 0, 0], [0, 0, 1]], np.float32)
    return np.asarray(np.linalg.matrix_power(quarter, degrees // 90 % 4), np.float32)


def gaussian(radius_px: float) -> list[float]:
    """The weights of the middle pixel, its neighbours and theirs in a Gaussian of five pixels."""
    weights = [math.exp(-(n**2) / (2 * radius_px**2)) for n in range(3)]
    total = weights[0] + 2 * sum(weights[1:])
    return [weight / total for weight in weights]


class Renderer:
    """Draws scenes into whatever framebuffer is bound, with a moderngl context of OpenGL 3.3 or later.

    ``corners`` is a 3×3 matrix from the unit square (y down) to itself, for a projector that hits its wall at
    an angle; ``gamma`` the exponent of what is shown. Both are the last thing that happens to a picture.
    """

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        self.corners = _UNTURNED
        self.gamma = 1.0
        programs = [
            context.program(vertex_shader=shaders.VERTEX, fragment_shader=fragment)
            for fragment in (shaders.LAYER, shaders.SHARPEN, shaders.RANGE, shaders.PICTURE, shaders.OVERLAY)
        ]
        self._layer, self._sharpen, self._range, self._picture, self._overlay = programs
        self._arrays = {program: context.vertex_array(program, []) for program in programs}
        self._textures: dict[str, moderngl.Texture] = {}
        self._uploaded: dict[str, Array] = {}
        self._targets: dict[str, moderngl.Framebuffer] = {}
        self._set(self._sharpen, weights=gaussian(SHARPEN_PX), amount=SHARPEN, place=_matrix(_TO_TEXTURE))
        self._set(self._layer, place=_matrix(_TO_TEXTURE))
        self._set(self._range, place=_matrix(_TO_TEXTURE))
        tones = [tuple(level / 255 for level in tone) for tone in (INK, PAPER)]
        self._set(self._picture, tones=tones, tone_limits=(DARKEST / 255, LIGHTEST / 255))

    def paint(self, scene: Scene | Image, overlay: Array | None, size: Size, rotate: int = 0) -> None:
        """Draw a scene, or a picture (RGB uint8, (H, W, 3)), as large as fits into ``size``, and ``overlay``.

        ``size`` (w, h) is that of the framebuffer; ``rotate`` turns everything clockwise by 0, 90, 180 or 270
        degrees. ``overlay`` is RGBA uint8 (H, W, 4), uploaded once per array object, laid over everything.
        """
        scene = scene if isinstance(scene, Scene) else still(scene)
        target = self._context.fbo
        if scene.dream is not None:
            self._draw_layer(scene.dream)
            target.use()
        upright = (size[1], size[0]) if rotate in (90, 270) else size
        shape = _fitted((scene.image.shape[1], scene.image.shape[0]), upright)
        width, height = shape if rotate not in (90, 270) else shape[::-1]
        turn = turned(rotate)
        place = _TO_SCREEN @ self.corners @ turn
        self._context.disable(self._context.BLEND)
        target.viewport = (0, 0, *size)
        target.clear()
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        target.viewport = (left, size[1] - top - height, width, height)
        self._upload("camera", scene.image)
        self._set(self._picture, place=_matrix(place), size=shape, mirrored=scene.mirror, gamma=self.gamma)
        self._set(self._picture, dreams=scene.dream is not None)
        self._set(self._picture, ink=0.0 if scene.dream is None else scene.dream.ink)
        layer, limits = ("sharp", "range") if scene.dream is not None else ("camera", "camera")
        self._draw(self._picture, camera="camera", layer=layer, range=limits)
        target.viewport = (0, 0, *size)
        if overlay is not None:
            self._upload("overlay", overlay)
            self._context.enable(self._context.BLEND)
            self._set(self._overlay, place=_matrix(place))
            self._draw(self._overlay, overlay="overlay")

    def _draw_layer(self, dream: Dream) -> None:
        """The layer at working size, sharpened, into the texture ``sharp``, its limits into ``range``."""
        mixture, flow = dream.mixture, dream.flow
        hidden = (1 - mixture.camera) * min(1.0, dream.strength) * dream.alpha
        self._upload("residual", dream.residual)
        self._upload("under", dream.under)
        if flow is not None:
            self._upload("flow", flow)
        if mixture.mask is not None:
            self._upload("mask", mixture.mask)
        wash = dream.wash()
        if wash is not None:
            self._upload("wash", wash)
        self._set(self._layer, washed=wash is not None)
        self._set(self._layer, moves=flow is not None, masked=mixture.mask is not None)
        self._set(self._layer, feedback=dream.feedback, saturation=mixture.saturation)
        self._set(self._layer, strength=dream.strength * dream.alpha, hidden=hidden)
        size = (dream.residual.shape[1], dream.residual.shape[0])
        self._into("layer", size)
        flow_from = "flow" if flow is not None else "residual"
        mask_from = "mask" if mixture.mask is not None else "residual"
        wash_from = "wash" if wash is not None else "residual"
        self._draw(
            self._layer, residual="residual", flow=flow_from, under="under", mask=mask_from, wash=wash_from
        )
        self._into("sharp", size)
        self._draw(self._sharpen, layer="layer")
        for target, source, shape in (("columns", "sharp", (size[0], 1)), ("range", "columns", (1, 1))):
            self._into(target, shape)
            self._set(self._range, columns=source == "sharp")
            self._draw(self._range, image=source)

    def _draw(self, program: moderngl.Program, **textures: str) -> None:
        for unit, (sampler, name) in enumerate(textures.items()):
            self._textures[name].use(unit)
            self._set(program, **{sampler: unit})
        self._arrays[program].render(self._context.TRIANGLE_STRIP, vertices=4)

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


def _fitted(visible: Size, area: Size) -> Size:
    """The size of the picture; one that nearly fills the area fills it, without a black line."""
    width, height = (
        full if full - part < 2 else part
        for part, full in zip(picture_size(visible, area), area, strict=True)
    )
    return width, height


def _matrix(matrix: Array) -> bytes:
    """A matrix as OpenGL wants it: column by column."""
    return np.ascontiguousarray(matrix.T, np.float32).tobytes()
