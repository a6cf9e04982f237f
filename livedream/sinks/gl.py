"""A window that OpenGL draws in. What is drawn is the painter's affair, which the show plugs in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from livedream.frame import Array, Image, Turn
from livedream.sinks.presenting import Size
from livedream.sinks.screens import is_rasteriser
from livedream.sinks.sdl import GlContext, gl_renderer_name, library

if TYPE_CHECKING:
    import moderngl

_log = logging.getLogger(__name__)

#: The name of the rasteriser that was found in place of a graphics card.
_rasteriser = ""


class Painter(Protocol):
    """Draws into the framebuffer that is bound, with a moderngl context of its own."""

    def paint(self, scene: Any, overlay: Array | None, size: Size, turn: Turn) -> None:
        """Draw a scene, or a picture (RGB uint8, (H, W, 3)), as large as fits into ``size``, and ``overlay``.

        ``size`` is that of the framebuffer. Raises ``OSError`` or
        ``moderngl.Error`` when the graphics card fails.
        """

    def close(self) -> None:
        """Release what it holds on the graphics card."""


MakePainter = Callable[["moderngl.Context"], Painter]


class _Loader:
    """Finds OpenGL's functions through SDL, which knows whose context it made: X11's, Wayland's, Windows'."""

    def load_opengl_function(self, name: str) -> int:
        sdl = library()
        return 0 if sdl is None else sdl.SDL_GL_GetProcAddress(name.encode()) or 0


def prepare() -> None:
    """Before a window is opened for OpenGL. Raises ``ImportError`` where moderngl is not installed."""
    import moderngl  # noqa: F401

    GlContext.ask_version()


def only_rasteriser() -> bool:
    """Whether OpenGL was tried in this process and was not a graphics card's."""
    return bool(_rasteriser)


class GlPresenter:
    """OpenGL in a window that was opened for it.

    Raises ``OSError`` if there is none, or, unless ``any_renderer``, if a program computes it in place of a
    graphics card: that takes four to six times as long as the processor without it.
    """

    def __init__(self, window_id: int, painter: MakePainter, *, any_renderer: bool) -> None:
        import moderngl

        global _rasteriser
        self._context = GlContext(window_id)
        try:
            self.driver = gl_renderer_name() or "opengl"
            _rasteriser = self.driver if is_rasteriser(self.driver) else ""
            if _rasteriser and not any_renderer:
                raise OSError(f"no graphics card ({self.driver})")
            self.has_vsync = self._context.has_vsync
            loader: Any = _Loader()
            try:
                self._moderngl = moderngl.create_context(require=330, context=loader)
                self._painter = painter(self._moderngl)
            except Exception as error:  # moderngl raises plain ones for an OpenGL that is too old
                raise OSError(str(error) or type(error).__name__) from error
        except OSError:
            self._context.close()
            raise

    @property
    def size(self) -> Size:
        """The drawing area, as the screen has it."""
        return self._context.size

    def show(self, picture: Image, overlay: Array | None, turn: Turn) -> None:
        """As in :class:`~livedream.sinks.presenting.Presenter`."""
        self.paint(picture, overlay, turn)

    def paint(self, scene: Any, overlay: Array | None, turn: Turn) -> None:
        """Have the painter draw, and flip. Raises what the driver does, ``OSError`` for what it reports."""
        self._painter.paint(scene, overlay, self.size, turn)
        error = self._moderngl.error
        if error != "GL_NO_ERROR":
            raise OSError(f"OpenGL reports {error}")
        self._context.swap()
        if self.has_vsync:
            self._moderngl.finish()  # otherwise the driver queues pictures, each a refresh older

    def forget(self) -> None:
        """As in :class:`~livedream.sinks.presenting.Presenter`: OpenGL keeps its own."""

    def close(self) -> None:
        """As in :class:`~livedream.sinks.presenting.Presenter`. May be called twice."""
        try:
            self._painter.close()
        except Exception as error:  # a card that has failed
            _log.info("OpenGL could not be released: %s", error)
        self._context.close()
