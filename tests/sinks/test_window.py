"""The window: sizes and turns by calculation, pixels and keys on a real screen."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from livedream.errors import OutputError
from livedream.frame import Turn
from livedream.sinks import gl, screens, sdl
from livedream.sinks.presenting import fitted, turned, turned_box
from livedream.sinks.screens import displays, screen_available
from livedream.sinks.window import Closed, Exposed, KeyPressed, Resized, Window

needs_xdotool = pytest.mark.skipif(
    not (os.environ.get("DISPLAY") and shutil.which("xdotool")), reason="needs xdotool and an X display"
)


@pytest.fixture
def video_off():
    """SDL as it is before and after a test: not running."""
    yield
    import pygame

    pygame.display.quit()


@pytest.fixture
def blind(monkeypatch, video_off):
    """SDL without a screen, asked for by name."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@pytest.fixture
def screen(video_off):
    """A screen that answers."""
    # An X server whose last client has left starts anew, and does not answer meanwhile.
    assert eventually(screen_available)


@pytest.fixture(params=["graphics card", "processor"])
def drawing(request, monkeypatch):
    """Both ways of drawing, also where the card is really a rasteriser and would not be used."""
    if request.param == "graphics card":
        monkeypatch.setattr(screens, "software_rasteriser", lambda: "")
    else:
        monkeypatch.setenv("SDL_RENDER_DRIVER", "software")


def quarters(width, height):
    """Red, green / blue, white: tells every turn and mirror apart."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (255, 0, 0)
    image[: height // 2, width // 2 :] = (0, 255, 0)
    image[height // 2 :, : width // 2] = (0, 0, 255)
    image[height // 2 :, width // 2 :] = (255, 255, 255)
    return image


def corners(shot):
    """The colours near the four corners, row by row."""
    height, width = shot.shape[:2]
    return [
        tuple(int(v) for v in shot[y, x])
        for y in (height // 4, 3 * height // 4)
        for x in (width // 4, 3 * width // 4)
    ]


BLACK, RED, GREEN, BLUE, WHITE = (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def screenshot():
    from PIL import ImageGrab

    return np.asarray(ImageGrab.grab().convert("RGB"))


def eventually(check, act=lambda: None):
    """Do ``act`` until ``check()`` is true; the last result, after ten seconds at the latest."""
    deadline = time.monotonic() + 10
    while True:
        act()
        result = check()
        if result or time.monotonic() > deadline:
            return result
        time.sleep(0.02)


def test_a_picture_of_another_shape_is_centred_and_kept_whole():
    assert fitted(640, 480, 1280, 720) == (160, 0, 960, 720)
    assert fitted(320, 180, 1080, 1920) == (0, 656, 1080, 608)
    assert fitted(1279, 720, 1280, 720) == (0, 0, 1280, 720)


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (Turn(0), (10, 0, 20, 30)),
        (Turn(90), (70, 10, 30, 20)),
        (Turn(180), (170, 70, 20, 30)),
        (Turn(270), (0, 170, 30, 20)),
        (Turn(0, flip_x=True), (170, 0, 20, 30)),
        (Turn(0, flip_y=True), (10, 70, 20, 30)),
        (Turn(90, flip_x=True), (70, 170, 30, 20)),
        (Turn(180, flip_x=True, flip_y=True), (10, 0, 20, 30)),
    ],
    ids=str,
)
def test_a_box_turns_with_its_screen(turn, expected):
    assert turned_box((10, 0, 20, 30), 200, 100, turn) == expected
    image = np.zeros((100, 200), np.uint8)
    image[0:30, 10:30] = 1
    x, y, width, height = expected
    shown = turned(image, turn)
    assert shown[y : y + height, x : x + width].sum() == shown.sum() == 600


@pytest.mark.usefixtures("blind")
def test_the_picture_size_is_upright_and_at_most_full_hd():
    with Window(full_screen=False, size=(640, 360)) as window:
        assert window.picture_size == (640, 360)
        window.set_turn(Turn(90))
        assert window.picture_size == (360, 640)
    with Window(full_screen=False, size=(3840, 2160)) as window:
        assert window.output_size == (3840, 2160)
        assert window.picture_size == (1920, 1080)
        window.show(quarters(1920, 1080))


@pytest.mark.usefixtures("blind")
def test_it_closes_twice():
    window = Window(full_screen=False, size=(320, 200))
    window.show(quarters(320, 200))
    window.close()
    window.close()


@pytest.mark.usefixtures("blind")
def test_a_screen_that_is_not_there_is_said_and_the_first_one_used():
    count = len(displays())
    with Window(full_screen=False, display=str(count)) as window:
        (notice,) = window.notices()
        assert notice.startswith(f"no screen '{count}'; found 0 (")
        assert notice.endswith("showing on 0 until it comes")
        assert window.screen.index == 0
    with Window(full_screen=False, display=displays()[0].name.upper()) as window:
        assert window.notices() == []


@pytest.mark.skipif(sys.platform != "linux", reason="how Linux names its screens")
def test_without_a_screen_there_is_one_clear_error(monkeypatch, video_off):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    assert not screen_available()
    assert displays() == []
    with pytest.raises(OutputError, match="possible: --headless"):
        Window(full_screen=True)


@pytest.mark.skipif(sys.platform != "linux", reason="how Linux names its screens")
def test_a_display_server_that_does_not_answer_is_no_screen():
    code = "from livedream.sinks.screens import screen_available; print(screen_available())"
    environment = {k: v for k, v in os.environ.items() if k not in ("WAYLAND_DISPLAY", "SDL_VIDEODRIVER")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment | {"DISPLAY": ":4711"}, capture_output=True, text=True
    )
    assert done.stdout == "False\n"  # and no word of pygame's


@pytest.mark.screen
@pytest.mark.usefixtures("screen", "drawing")
@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (0, [RED, GREEN, BLUE, WHITE]),
        (90, [BLUE, RED, WHITE, GREEN]),
        (180, [WHITE, BLUE, GREEN, RED]),
        (270, [GREEN, WHITE, RED, BLUE]),
    ],
)
@pytest.mark.parametrize("flip", [False, True], ids=["", "flipped"])
def test_the_picture_turns_clockwise(degrees, expected, flip):
    if flip:  # before it is turned: what is left for whoever stands before the screen is left to right then
        expected = expected[::-1] if degrees in (90, 270) else expected
        expected = [expected[n] for n in (1, 0, 3, 2)]
    with Window(full_screen=True, turn=Turn(degrees, flip_x=flip)) as window:
        image = quarters(*window.picture_size)
        shown = lambda: corners(screenshot()) == expected  # noqa: E731
        assert eventually(shown, lambda: (window.poll(), window.show(image))), corners(screenshot())


@pytest.mark.screen
@pytest.mark.usefixtures("screen", "drawing")
def test_a_projector_changes_the_picture_for_this_screen_but_not_the_overlay():
    class Swapped:
        """Shows the left half of every picture at the right."""

        size = (0, 0)

        def project(self, picture, size):
            self.size = size
            return np.ascontiguousarray(picture[:, ::-1])

    projector = Swapped()
    with Window(full_screen=True, projector=projector) as window:
        width, height = window.output_size
        overlay = np.zeros((height, width, 4), np.uint8)
        overlay[: height // 2, : width // 2] = (0, 0, 0, 255)
        image = quarters(*window.picture_size)
        shown = lambda: corners(screenshot()) == [BLACK, RED, WHITE, BLUE]  # noqa: E731
        assert eventually(shown, lambda: (window.poll(), window.show(image, overlay))), corners(screenshot())
        assert projector.size == window.picture_size


@pytest.mark.screen
@pytest.mark.usefixtures("screen", "drawing")
@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (0, [BLACK, GREEN, BLUE, WHITE]),
        (90, [BLUE, BLACK, WHITE, GREEN]),
        (180, [WHITE, BLUE, GREEN, BLACK]),
        (270, [GREEN, WHITE, BLACK, BLUE]),
    ],
)
def test_an_overlay_turns_with_the_picture_and_lies_over_its_own_part_only(degrees, expected):
    with Window(full_screen=True, turn=Turn(degrees)) as window:
        width, height = window.output_size
        overlay = np.zeros((height, width, 4), np.uint8)
        overlay[: height // 2, : width // 2] = (0, 0, 0, 255)
        image = quarters(*window.picture_size)
        assert eventually(
            lambda: corners(screenshot()) == expected, lambda: (window.poll(), window.show(image, overlay))
        )
        assert eventually(lambda: RED in corners(screenshot()), lambda: window.show(image))


@pytest.mark.screen
@pytest.mark.usefixtures("screen", "drawing")
def test_another_shape_has_black_beside_it():
    with Window(full_screen=True) as window:
        _, height = window.output_size
        image = np.full((height // 2, height // 2, 3), 255, np.uint8)

        def black_white_black():
            shot = screenshot()
            row = shot[shot.shape[0] // 2].min(axis=1)
            return row[5] == 0 and row[shot.shape[1] // 2] == 255 and row[-5] == 0

        assert eventually(black_white_black, lambda: (window.poll(), window.show(image)))


@pytest.mark.screen
@pytest.mark.usefixtures("screen")
def test_full_screen_goes_and_comes_and_the_size_with_it():
    with Window(full_screen=False, size=(640, 360)) as window:
        desktop = displays()[0].size
        events = []
        assert eventually(lambda: window.output_size == (640, 360), lambda: events.extend(window.poll()))
        window.set_full_screen(True)
        assert eventually(lambda: window.output_size == desktop, lambda: events.extend(window.poll()))
        assert window.full_screen
        window.set_full_screen(False)
        assert eventually(lambda: window.output_size == (640, 360), lambda: events.extend(window.poll()))
        assert Resized() in events


@pytest.mark.screen
@needs_xdotool
@pytest.mark.usefixtures("screen")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("a", KeyPressed("a")),
        ("shift+a", KeyPressed("a", shift=True)),
        ("Left", KeyPressed("left")),
        ("space", KeyPressed("space")),
        ("Escape", KeyPressed("escape")),
        ("shift+3", KeyPressed("3", shift=True)),
    ],
)
def test_keys_arrive_by_name(typed, expected):
    with Window(full_screen=False, size=(320, 200)) as window:
        events = []

        def press():
            window.show(quarters(320, 200))
            subprocess.run(["xdotool", "key", typed], check=True)
            events.extend(window.poll())

        assert eventually(lambda: expected in events, press), events


@pytest.mark.screen
@needs_xdotool
@pytest.mark.usefixtures("screen")
def test_keys_held_with_alt_belong_to_the_desktop():
    with Window(full_screen=False, size=(320, 200)) as window:
        events = []

        def press():
            for key in ("alt+b", "c"):
                subprocess.run(["xdotool", "key", key], check=True)
            events.extend(window.poll())

        assert eventually(lambda: KeyPressed("c") in events, press)
        assert KeyPressed("b") not in events


@pytest.mark.usefixtures("blind")
def test_closing_the_window_is_an_event():
    import pygame

    with Window(full_screen=False, size=(320, 200)) as window:
        pygame.event.post(pygame.event.Event(pygame.QUIT))
        assert Closed() in window.poll()


def key_event(kind, key, scancode=0, mod=0):
    import pygame

    pygame.event.post(pygame.event.Event(kind, key=key, scancode=scancode, mod=mod, unicode=""))


@pytest.mark.usefixtures("blind")
def test_a_held_key_is_told_from_one_pressed_twice():
    import pygame

    with Window(full_screen=False, size=(320, 200)) as window:
        window.poll()
        for kind in (pygame.KEYDOWN, pygame.KEYDOWN, pygame.KEYUP, pygame.KEYDOWN):
            key_event(kind, pygame.K_UP)
        pressed = [event for event in window.poll() if isinstance(event, KeyPressed)]
    assert [event.repeat for event in pressed] == [False, True, False]


@pytest.mark.usefixtures("blind")
def test_digits_go_by_their_place_because_some_keyboards_have_them_on_shift():
    import pygame

    with Window(full_screen=False, size=(320, 200)) as window:
        window.poll()
        key_event(pygame.KEYDOWN, pygame.K_AMPERSAND, scancode=30)  # the 1 of an AZERTY keyboard
        key_event(pygame.KEYDOWN, pygame.K_KP9, scancode=97, mod=pygame.KMOD_LSHIFT)
        assert [event for event in window.poll() if isinstance(event, KeyPressed)] == [
            KeyPressed("1"),
            KeyPressed("9", shift=True),
        ]


@pytest.mark.usefixtures("blind")
def test_brackets_are_found_by_their_place_where_no_key_has_them():
    import pygame

    with Window(full_screen=False, size=(320, 200)) as window:
        window.poll()
        key_event(pygame.KEYDOWN, ord("ü"), scancode=47)  # the two keys after P of a German keyboard
        key_event(pygame.KEYDOWN, pygame.K_PLUS, scancode=48)
        pressed = [event for event in window.poll() if isinstance(event, KeyPressed)]
    assert pressed == [KeyPressed("["), KeyPressed("]")]


@pytest.mark.usefixtures("blind")
def test_the_screen_saver_stays_away():
    import pygame

    with Window(full_screen=False, size=(320, 200)):
        assert not pygame.display.get_allow_screensaver()


class Painter:
    """Clears the screen to a colour, or fails."""

    fails = False

    def __init__(self, context):
        self.context, self.scenes, self.closed = context, [], False
        if Painter.fails == "at the start":
            raise RuntimeError("the shader does not compile")

    def paint(self, scene, overlay, size, turn):
        if Painter.fails:
            raise RuntimeError("the card is gone")
        self.scenes.append((scene, size, turn))
        self.context.clear(0.0, 0.0, 1.0)

    def close(self):
        self.closed = True


@pytest.fixture
def painter(monkeypatch):
    """A painter for OpenGL; skips where there is none."""
    pytest.importorskip("moderngl", reason="needs moderngl, which is not installed")
    monkeypatch.setattr(Painter, "fails", False)
    return Painter


def window_with(painter, renderer="gl"):
    window = Window(full_screen=True, renderer=renderer, painter=painter)
    if renderer == "gl" and window.renderer != "gl" and not painter.fails:
        window.close()
        pytest.skip(f"needs OpenGL 3.3 in a window: {window.notices()}")
    return window


@pytest.mark.screen
@pytest.mark.usefixtures("screen")
def test_opengl_draws_what_the_painter_paints(painter):
    with window_with(painter, "gl") as window:
        assert window.renderer == "gl"
        shown = lambda: corners(screenshot()) == [BLUE] * 4  # noqa: E731
        assert eventually(shown, lambda: (window.poll(), window.paint("a scene"))), corners(screenshot())
        assert window.output_size == displays()[0].size
        assert window.notices() == []


@pytest.mark.screen
@pytest.mark.usefixtures("screen")
def test_a_picture_is_painted_like_a_scene(painter):
    made = []
    with window_with(lambda context: made.append(painter(context)) or made[-1]) as window:
        image = quarters(64, 36)
        window.show(image)
        assert made[0].scenes[0][0] is image
    assert made[0].closed


@pytest.mark.screen
@pytest.mark.usefixtures("screen")
def test_opengl_that_fails_is_replaced_by_the_processor_and_it_is_said(painter, monkeypatch):
    with window_with(painter) as window:
        window.show(quarters(64, 36))
        monkeypatch.setattr(Painter, "fails", True)
        image = quarters(*window.picture_size)
        window.show(image)
        assert window.renderer == "cpu"
        assert window.notices() == ["the graphics card failed: the card is gone; drawing on the CPU"]
        assert Resized() in window.poll()
        shown = lambda: corners(screenshot()) == [RED, GREEN, BLUE, WHITE]  # noqa: E731
        assert eventually(shown, lambda: (window.poll(), window.show(image))), corners(screenshot())
        assert window.full_screen


@pytest.mark.screen
@pytest.mark.usefixtures("screen")
def test_opengl_that_does_not_start_is_said_where_it_was_asked_for(painter, monkeypatch):
    monkeypatch.setattr(Painter, "fails", "at the start")
    with window_with(painter) as window:
        assert window.renderer == "cpu"
        assert window.notices() == ["no OpenGL: the shader does not compile; drawing on the CPU"]
        window.show(quarters(64, 36))


@pytest.mark.screen
@pytest.mark.usefixtures("screen")
def test_a_rasteriser_is_no_graphics_card(painter, monkeypatch):
    monkeypatch.setattr(gl, "gl_renderer_name", lambda: "llvmpipe (LLVM 15.0.6, 256 bits)")
    with window_with(painter, "auto") as window:
        assert (window.renderer, window.driver) == ("cpu", "software")
        assert window.notices() == []
    with window_with(painter, "cpu") as window:
        assert window.renderer == "cpu"


@pytest.mark.screen
@pytest.mark.usefixtures("screen")
def test_a_graphics_card_is_taken_by_itself(painter, monkeypatch):
    monkeypatch.setattr(gl, "gl_renderer_name", lambda: "a graphics card")
    with window_with(painter, "auto") as window:
        assert (window.renderer, window.driver) == ("gl", "a graphics card")


@pytest.mark.screen
@pytest.mark.usefixtures("screen")
def test_without_moderngl_opengl_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "moderngl", None)
    with Window(full_screen=False, size=(320, 200), renderer="gl", painter=Painter) as window:
        assert window.renderer == "cpu"
        assert "moderngl" in window.notices()[0]
    with Window(full_screen=False, size=(320, 200), painter=Painter) as window:
        assert (window.renderer, window.notices()) == ("cpu", [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("llvmpipe (LLVM 15.0.6, 256 bits)", True),
        ("ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device), SwiftShader driver)", True),
        ("GDI Generic Software", True),
        ("Microsoft Basic Render Driver", True),
        ("NVIDIA H100/PCIe/SSE2", False),
        ("Mesa Intel(R) UHD Graphics 620 (KBL GT2)", False),
    ],
)
def test_a_rasteriser_is_known_by_its_name(name, expected):
    assert screens.is_rasteriser(name) is expected


@pytest.mark.usefixtures("blind")
def test_pixels_of_another_format_are_drawn_by_sdl(monkeypatch):
    monkeypatch.setattr(sdl, "_FORMATS", {})
    with Window(full_screen=False, size=(320, 200)) as window:
        window.show(quarters(320, 200))
        assert window.driver == "software"


@pytest.mark.usefixtures("blind")
def test_a_window_that_was_covered_says_so():
    import pygame

    with Window(full_screen=False, size=(320, 200)) as window:
        window.poll()
        pygame.event.post(pygame.event.Event(pygame.WINDOWEXPOSED))
        assert Exposed() in window.poll()
