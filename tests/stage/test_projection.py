"""What a projector is given: corners, mesh, tones and edges, on the processor and by any OpenGL there is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.corners import moved
from livedream.frame import Turn
from livedream.projection_settings import TEST_PATTERNS
from livedream.settings import Settings
from livedream.stage.patterns import draw_pattern
from livedream.stage.projection import Projection
from livedream.stage.projector import Projector

SIZE = (320, 240)
#: A projector from the lower left, and a wall that is hollow.
CORNERS = "4,10 97,2 90,96 2,88"
MESH = """
    0,0 33,6 67,6 100,0
    0,33.33 33,38 67,38 100,33.33
    0,66.67 33,70 67,70 100,66.67
    0,100 33,103 67,103 100,100
"""


def projected(picture, size=SIZE, **settings):
    projector = Projector()
    projector.projection = Projection.of(Settings(**settings))
    return projector.project(picture, size)


def smooth(size=SIZE):
    noise = np.random.default_rng(5).normal(size=(size[1], size[0], 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 9)
    return np.clip(128 + 900 * soft, 0, 255).astype(np.uint8)


def test_what_is_not_used_costs_nothing():
    picture = smooth()
    assert projected(picture) is picture
    assert projected(picture, flip="both", rotate=90) is picture


@pytest.mark.parametrize("mesh", ["", MESH], ids=["corners", "mesh"])
def test_each_pixel_shows_the_point_that_is_put_there(mesh):
    projection = Projection(corners=CORNERS, mesh=mesh)
    size = (960, 540)
    sources = projection.sources(size).astype(float)
    x, y = (np.arange(960) + 0.5) / 960, (np.arange(540) + 0.5) / 540
    inside = ((sources >= 0) & (sources <= 1)).all(-1)
    assert 0.5 < inside.mean() < 0.95
    off = np.abs(projection.where(sources) - np.stack(np.meshgrid(x, y), -1)) * (960, 540)
    assert off[inside].max() < 0.1  # pixels


def test_a_bent_picture_has_no_holes_and_nothing_beside_it():
    mesh = ""
    for number, by in (
        (5, (6, 9)),
        (6, (2, -7)),
        (10, (5, -6)),
        (11, (-6, 6)),
        (15, (-4, -5)),
        (20, (-8, 3)),
    ):
        mesh = moved("", mesh, number, by)[1]
    projection = Projection(corners="10,12 92,4 88,90 6,86", mesh=mesh)
    line = np.linspace(0, 1, 121)
    outline = projection.where(np.stack(np.meshgrid(line, line), -1)) * SIZE
    expected = np.zeros((240, 320), np.uint8)
    for y in range(120):
        for x in range(120):
            cell = outline[[y, y, y + 1, y + 1], [x, x + 1, x + 1, x]]
            cv2.fillConvexPoly(expected, np.rint(16 * cell - 8).astype(np.int32), 255, shift=4)
    shown = projected(np.full((240, 320, 3), 255, np.uint8), corners=projection.corners, mesh=mesh)[..., 0]
    edge = np.ones((5, 5), np.uint8)
    assert shown[cv2.erode(expected, edge) > 0].min() == 255
    assert shown[cv2.dilate(expected, edge) == 0].max() == 0


def test_a_point_of_the_mesh_lies_where_it_was_put():
    projection = Projection(mesh=MESH)
    third = np.array([1 / 3, 1 / 3])
    np.testing.assert_allclose(projection.where(third), (0.33, 0.38), atol=1e-9)
    np.testing.assert_allclose(projection.where(np.array([1.0, 1.0])), (1, 1), atol=1e-9)
    corners = Projection(corners=CORNERS).where(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]))
    np.testing.assert_allclose(corners, [(0.04, 0.1), (0.97, 0.02), (0.9, 0.96), (0.02, 0.88)], atol=1e-6)


def test_corners_hold_the_picture_and_black_is_around_it():
    white = np.full((240, 320, 3), 255, np.uint8)
    shown = projected(white, corners="25,25 75,25 75,75 25,75")
    assert shown.shape == (240, 320, 3)
    assert shown[61:179, 81:239].min() == 255
    shown[60:180, 80:240] = 0
    assert shown.max() == 0


def test_borders_stay_beside_a_picture_of_another_shape():
    white = np.full((240, 240, 3), 255, np.uint8)
    shown = projected(white, corners="0,0 100,0 100,100 0,99.99")
    assert shown[20:220, 42:278].min() == 255
    assert shown[:, :38].max() == shown[:, 282:].max() == 0


def test_gamma_lifts_the_middle_and_black_level_the_bottom():
    grey = np.full((240, 320, 3), 64, np.uint8)
    assert projected(grey, gamma=2.0)[0, 0, 0] == round(255 * (64 / 255) ** 0.5)
    assert projected(grey, brightness=0.5)[0, 0, 0] == 32
    assert projected(np.zeros_like(grey), black_level=10.0)[0, 0, 0] == round(25.5)
    assert projected(np.full_like(grey, 255), black_level=10.0)[0, 0, 0] == 255
    assert projected(np.zeros_like(grey), black_level=10.0, blackout=True).max() == 0


def test_two_blended_projectors_make_one_even_wall():
    white = np.full((240, 320, 3), 255, np.uint8)
    left = projected(white, blend_right=25.0, blend_gamma=2.2)[120, -80:, 0] / 255
    right = projected(white, blend_left=25.0, blend_gamma=2.2)[120, :80, 0] / 255
    np.testing.assert_allclose(left**2.2 + right**2.2, 1.0, atol=0.01)
    assert left[0] > 0.99
    assert left[-1] < 0.05


def test_black_is_raised_only_where_one_projector_shows():
    black = np.zeros((240, 320, 3), np.uint8)
    shown = projected(black, blend_right=25.0, black_level=10.0)
    assert shown[120, :239].min() == shown[120, :239].max() == 26
    assert shown[120, 241:].max() == 0


def test_a_pattern_is_shown_in_place_of_the_picture_but_not_of_blackout():
    picture = smooth()
    grid = projected(picture, test_pattern="grid")
    np.testing.assert_array_equal(grid, draw_pattern("grid", SIZE))
    assert projected(picture, test_pattern="grid", blackout=True) is picture


@pytest.mark.parametrize("name", TEST_PATTERNS[1:])
@pytest.mark.parametrize("size", [(320, 240), (240, 426), (64, 36)])
def test_every_pattern_reaches_the_edge(name, size):
    pattern = draw_pattern(name, size)
    assert pattern.shape == (size[1], size[0], 3)
    assert pattern[[0, -1]].min() == pattern[:, [0, -1]].min() == 255


def test_what_follows_replaces_what_was_there():
    projector, picture = Projector(), smooth()
    for settings in ({"corners": CORNERS}, {"mesh": MESH}, {"blend_left": 10.0}, {"gamma": 1.5}):
        projector.projection = Projection.of(Settings(**settings))
        np.testing.assert_array_equal(projector.project(picture, SIZE), projected(picture, **settings))
    projector.projection = Projection()
    assert projector.project(picture, SIZE) is picture


@pytest.mark.parametrize(
    "settings",
    [
        {"corners": CORNERS},
        {"mesh": MESH},
        {"corners": CORNERS, "mesh": MESH},
        {"gamma": 1.6, "brightness": 1.3, "black_level": 6.0},
        {"blend_left": 20.0, "blend_bottom": 30.0, "black_level": 6.0},
        {"corners": CORNERS, "blend_right": 20.0, "blend_top": 10.0, "gamma": 0.7},
        {"test_pattern": "face"},
    ],
    ids=str,
)
@pytest.mark.parametrize("turn", [Turn(), Turn(90, flip_x=True), Turn(180, flip_y=True)], ids=str)
def test_the_graphics_card_gives_the_processors_picture(card, settings, turn):
    picture = smooth()
    projector = Projector()
    projector.projection = Projection.of(Settings(**settings))
    expected = projector.project(picture, SIZE)
    shown = upright(card(projector, picture, turn), turn)
    off = np.abs(shown - expected.astype(int)).max(-1)
    # Where it ends, the card's picture has an edge as smooth, but not the same to the level.
    assert np.quantile(off, 0.98) <= 3, (off.max(), off.mean())
    assert (off > 24).mean() < 0.01


def upright(shown, turn):
    shown = np.rot90(shown, turn.rotate // 90)
    shown = shown[:, ::-1] if turn.flip_x else shown
    return shown[::-1] if turn.flip_y else shown


def test_an_overlay_is_not_warped_so_that_it_can_be_read(card):
    overlay = np.zeros((240, 320, 4), np.uint8)
    overlay[10:30, 20:60] = (255, 255, 255, 255)
    projector = Projector()
    projector.projection = Projection(corners=CORNERS, gamma=0.5)
    shown = card(projector, np.zeros((240, 320, 3), np.uint8), Turn(flip_x=True), overlay)
    expected = np.zeros((240, 320), int)
    expected[10:30, 320 - 60 : 320 - 20] = 255
    np.testing.assert_array_equal(shown[..., 1], expected)


@pytest.fixture(scope="module")
def context():
    moderngl = pytest.importorskip("moderngl", reason="needs moderngl, which is not installed")
    try:
        made = moderngl.create_standalone_context(backend="egl", require=330)
    except Exception as error:
        pytest.skip(f"needs OpenGL 3.3 without a screen: {error}")
    with made:
        yield made
    made.release()


@pytest.fixture
def card(context):
    """Draws by OpenGL what a projector says: RGB (H, W, 3), as the screen hangs."""
    from livedream.stage.renderer import Renderer

    def draw(projector, picture, turn, overlay=None):
        size = SIZE[::-1] if turn.rotate in (90, 270) else SIZE
        renderer = Renderer(context, projector)
        target = context.simple_framebuffer(size, components=4)
        target.use()
        renderer.paint(picture, overlay, size, turn)
        pixels = np.frombuffer(target.read(components=3, alignment=1), np.uint8)
        target.release()
        renderer.close()
        return pixels.reshape(size[1], size[0], 3)[::-1].astype(int)

    return draw
