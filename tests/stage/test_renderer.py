"""The graphics card's picture is the processor's, within two levels; here by any OpenGL there is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.frame import Turn
from livedream.settings import Settings
from livedream.stage.composite import Composer
from livedream.stage.scene import black
from livedream.vision.presence import PresenceDetector

moderngl = pytest.importorskip("moderngl", reason="needs moderngl, which is not installed")

from livedream.stage.renderer import Renderer, turned  # noqa: E402

SIZE = (320, 240)
UPRIGHT = Turn()


@pytest.fixture(scope="module")
def context():
    try:
        made = moderngl.create_standalone_context(backend="egl", require=330)
    except Exception as error:
        pytest.skip(f"needs OpenGL 3.3 without a screen: {error}")
    with made:  # not current any more when a window's OpenGL is tested next
        yield made
    made.release()


@pytest.fixture
def renderer(context):
    made = Renderer(context)
    yield made
    made.close()


def drawn(renderer, context, scene, size=SIZE, overlay=None, turn=UPRIGHT):
    """What is on the screen, RGB uint8 (H, W, 3), first row on top."""
    target = context.simple_framebuffer(size, components=4)
    target.use()
    renderer.paint(scene, overlay, size, turn)
    pixels = np.frombuffer(target.read(components=3, alignment=1), np.uint8)
    target.release()
    return pixels.reshape(size[1], size[0], 3)[::-1].astype(int)


def arranged(picture, output=SIZE, working=(80, 60), presence=None, aspect=None, **settings):
    """A scene in which the camera has moved since the dream's own frame."""
    rng = np.random.default_rng(3)
    residual = cv2.GaussianBlur(
        rng.normal(0, 90, (working[1], working[0], 3)).astype(np.float32), (0, 0), 1.5
    )
    composer = Composer()
    for n in range(2):
        image = np.roll(picture, (2 * n, 4 * n), (0, 1))
        composer.see(image, n, aspect, n / 30)
        scene = composer.arrange(
            residual, 0, output, Settings(**settings), residual_aspect=aspect, presence=presence
        )
    return scene


def assert_same(shown, expected, gain=1):
    """``gain`` is how much a tone curve enlarges what rounding before it made."""
    difference = np.abs(shown - expected) / gain
    # A masked camera is rounded three times on the processor: a few pixels in 100 000 are off by 3.
    assert np.quantile(difference, 0.9999) <= 2, (difference.max(), difference.mean())
    assert difference.max() <= 3


@pytest.mark.parametrize("mirror", [True, False])
@pytest.mark.parametrize("mix", ["over", "dream", "luminance"])
def test_a_mix_is_the_same(renderer, context, picture, mix, mirror):
    scene = arranged(picture, mix=mix, mirror=mirror)
    assert scene.dream.flow is not None
    assert np.abs(scene.dream.flow).max() > 0.5
    assert_same(drawn(renderer, context, scene), scene.picture())


@pytest.mark.parametrize(
    "settings",
    [
        {"vignette": 0.7},
        {"vignette": -0.5, "mix": "dream"},
        {"strength": 0.6, "mix": "dream"},
        {"strength": 2.5},
        {"feedback": 0.4, "mix": "dream"},
        {"feedback": 1.0},
        {"restraint": 0.0},
        {"restraint": 1.0, "strength": 2.0},
        {"mask": "visitor"},
        {"mask": "background", "mix": "dream"},
    ],
    ids=str,
)
def test_a_look_is_the_same(renderer, context, picture, settings):
    presence = PresenceDetector()
    presence.outline = np.linspace(0, 1, 60 * 80, dtype=np.float32).reshape(60, 80)
    presence.moving = np.zeros((60, 80), np.float32)
    scene = arranged(picture, presence=presence, **settings)
    assert_same(drawn(renderer, context, scene), scene.picture())


@pytest.mark.parametrize("strength", [0.5, 1.6])
def test_a_drawing_in_ink_is_the_same(renderer, context, picture, strength):
    scene = arranged(picture, mix="ink", strength=strength)
    assert scene.dream.ink == min(1, strength)
    assert_same(drawn(renderer, context, scene), scene.picture(), gain=2)


@pytest.mark.parametrize("output", [(160, 120), (120, 90), (70, 52)], ids=["equal", "smaller", "far smaller"])
def test_a_camera_frame_shrinks_to_the_same_picture(renderer, context, picture, output):
    scene = arranged(picture, output)
    assert_same(drawn(renderer, context, scene, output), scene.picture())


@pytest.mark.parametrize("mix", ["over", "dream"])
@pytest.mark.parametrize("output", [(640, 480), (960, 720)], ids=["8 times", "12 times"])
def test_a_layer_that_is_enlarged_before_it_is_bent_is_the_same(renderer, context, picture, output, mix):
    scene = arranged(picture, output, mix=mix, vignette=0.5)
    assert_same(drawn(renderer, context, scene, output), scene.picture())


def test_a_visible_crop_is_the_same(renderer, context, picture):
    scene = arranged(picture, (320, 160), aspect=2.0)
    assert_same(drawn(renderer, context, scene, (320, 160)), scene.picture())


def test_without_a_dream_it_is_the_camera(renderer, context, picture):
    composer = Composer()
    composer.see(picture, 0, None, 0.0)
    scene = composer.arrange(None, 0, (160, 120), Settings(mirror=False))
    np.testing.assert_array_equal(drawn(renderer, context, scene, (160, 120)), picture)
    np.testing.assert_array_equal(drawn(renderer, context, picture, (160, 120)), picture)
    assert drawn(renderer, context, black((160, 120)), (160, 120)).max() == 0


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_picture_and_overlay_turn_clockwise(renderer, context, picture, degrees):
    overlay = np.zeros((120, 160, 4), np.uint8)
    overlay[10:40, 20:60] = (255, 128, 0, 128)
    under = picture.astype(int)
    under[10:40, 20:60] = np.round(under[10:40, 20:60] * (127 / 255) + np.array([255, 128, 0]) * (128 / 255))
    size = (120, 160) if degrees in (90, 270) else (160, 120)
    shown = drawn(renderer, context, picture, size, overlay, Turn(degrees))
    assert_same(shown, np.rot90(under, -degrees // 90))


def test_another_shape_has_black_beside_it(renderer, context, picture):
    white = np.full((100, 100, 3), 255, np.uint8)
    shown = drawn(renderer, context, white, (320, 100))
    assert shown[:, :110].max() == shown[:, 210:].max() == 0
    assert shown[:, 110:210].min() == 255


def test_the_next_scene_replaces_the_last(renderer, context, picture):
    for working in ((80, 60), (120, 90), (80, 60)):
        scene = arranged(picture, working=working)
        assert_same(drawn(renderer, context, scene), scene.picture())


def test_a_quarter_turn_is_clockwise():
    top_left = np.array([0, 0, 1])
    assert (turned(Turn(90)) @ top_left).tolist() == [1, 0, 1]
    assert (turned(Turn(180)) @ top_left).tolist() == [1, 1, 1]
    assert (turned(Turn(270)) @ top_left).tolist() == [0, 1, 1]
    assert (turned(Turn(0, flip_x=True)) @ top_left).tolist() == [1, 0, 1]
    assert (turned(Turn(90, flip_x=True)) @ top_left).tolist() == [1, 1, 1]  # over first, then round
