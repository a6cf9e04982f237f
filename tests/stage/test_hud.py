"""The head-up display: what it says, when it shows, and that it is redrawn only when needed."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import livedream
from livedream.stage import lettering
from livedream.stage.hud import WIDEST, Hud, HudState, render_help, render_hud
from livedream.stage.reading import Reading

SIZE = (1280, 720)
STATE = HudState(
    network="bvlc_googlenet",
    layer="inception_4c",
    layer_channels=512,
    layer_stride=16,
    backend="PyTorch CPU bf16",
    source="webcam_face.mp4",
    display_fps=59.7,
    dream_fps=21.2,
    latency_ms=33.6,
    steps=2,
    octaves=3,
    working_size=(320, 180),
)
ROWS = tuple((f"Shift {key}", "help text of a typical length") for key in "ABCDEFGHIJKLMNOPQRSTUVWX")


def test_mix_mask_vignette_scene_and_presence_are_shown():
    shown = HudState(
        mix="luminance", mask="moving", vignette=-0.4, scene="fog", presence=0.0, attract=True
    ).cells()
    assert {
        ("mix", "luminance"),
        ("mask", "moving"),
        ("vignette", "-0.4"),
        ("scene", "fog"),
        ("presence", "0.0"),
        ("attract", "on"),
    } <= set(shown)


def test_the_information_names_the_layer_its_shape_and_the_rates():
    assert STATE.lines() == (
        "inception_4c",
        "bvlc_googlenet  ·  512 channels  ·  stride 16",
        "size 320x180  ·  2 steps  ·  3 octaves",
        "PyTorch CPU bf16  ·  webcam_face.mp4",
    )
    cells = dict(STATE.cells())
    assert cells["display"] == "60 fps"
    assert cells["dream"] == "21 fps"
    assert cells["latency"] == "34 ms"
    assert cells["channels"] == "all"
    assert cells["faults"] == "–"


def test_what_the_governor_chose_is_marked():
    chosen = dataclasses.replace(STATE, governed=True, steps=1)
    assert chosen.lines()[2] == "size 320x180  ·  1 step  ·  3 octaves (auto)"
    assert HudState().lines()[2] == "size –  ·  0 steps"


def test_words_are_named_with_their_shares_unless_one_is_alone():
    named = dataclasses.replace(STATE, layer="parts", words=(("castle", 0.7), ("daisy", 0.28), ("sea", 0.02)))
    assert named.lines()[0] == "parts  ·  castle 70 %, daisy 28 %"
    assert dataclasses.replace(named, words=(("castle", 1.0),)).lines()[0] == "parts  ·  castle"
    assert dataclasses.replace(named, words=(("castle", 0.5),)).lines()[0] == "parts  ·  castle 50 %"


def test_visitors_are_told_what_is_dreamt_and_seen_only_if_that_is_wanted():
    hud, later = Hud(0.0), 10.0
    dreaming = dataclasses.replace(STATE, words=(("castle", 1.0),))
    seeing = dataclasses.replace(dreaming, recognised=(("mask", 0.34), ("wig", 0.12)))
    assert dreaming.caption() == "I dream of castle"
    assert seeing.caption() == "I see: mask 34 %, wig 12 %"
    assert STATE.caption() == ""
    assert hud.overlay(seeing, SIZE, later) is None
    told = hud.overlay(dataclasses.replace(seeing, captions=True), SIZE, later)
    assert told is not None
    other = dataclasses.replace(seeing, captions=True, recognised=(("mask", 0.35),))
    assert hud.overlay(other, SIZE, later + 0.1) is told  # figures that change all the time cannot be read
    assert hud.overlay(other, SIZE, later + 1.0) is not told


def test_a_message_comes_before_a_caption():
    hud, captioned = Hud(0.0), dataclasses.replace(STATE, words=(("castle", 1.0),), captions=True)
    caption = hud.overlay(captioned, SIZE, 50.0)
    hud.say("snapshot saved", 50.0)
    message = hud.overlay(captioned, SIZE, 50.0)
    assert not np.array_equal(caption, message)
    assert np.array_equal(hud.overlay(captioned, SIZE, 70.0), caption)


def test_it_tells_how_regularly_pictures_come_and_what_makes_them():
    assert STATE.lines()[3] == "PyTorch CPU bf16  ·  webcam_face.mp4"
    shown = dataclasses.replace(STATE, interval_ms=(16.7, 24.9), renderer="gl")
    assert shown.lines()[3].endswith("  ·  a picture every 17 to 25 ms (gl)")


def test_an_unknown_value_is_a_dash_and_keeps_its_cell():
    empty, full = HudState(), dataclasses.replace(STATE, faults=2, scene="fog", presence=0.5)
    assert [label for label, _ in empty.cells()] == [label for label, _ in full.cells()]
    assert dict(empty.cells())["dream"] == "–"
    assert dict(full.cells())["faults"] == "2"
    assert all(empty.lines())


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (720, 1280), (640, 360)])
def test_the_plate_stays_the_same_when_values_appear_and_change(size):
    full = dataclasses.replace(
        STATE, mix="luminance", mask="background", scene="scene-9", presence=0.5, attract=True, faults=12
    )
    empty = dataclasses.replace(STATE, display_fps=0.0, dream_fps=0.0, latency_ms=0.0, working_size=(0, 0))
    long = dataclasses.replace(full, channels="1,2,3,5,8,13,21,34,55,89", scene="a scene with a long name")
    first, *others = (np.nonzero(render_hud(state, size)[..., 3]) for state in (empty, full, long))
    for other in others:
        assert [(axis.min(), axis.max()) for axis in other] == [(axis.min(), axis.max()) for axis in first]


def test_a_fault_is_named_on_top_and_moves_nothing():
    faulty = dataclasses.replace(STATE, fault_text="camera unplugged: 1, last 13:38")
    calm, named = render_hud(STATE, SIZE), render_hud(faulty, SIZE)
    top = np.nonzero(calm[..., 3].any(axis=1))[0].min()
    assert np.nonzero(named[..., 3].any(axis=1))[0].min() < top
    below = top + 40  # under the rounded corners of the plate
    assert (named[below:] == calm[below:]).all()
    assert (named[:below, :, :3] == (255, 128, 104)).all(axis=2).any()


def test_on_a_wide_screen_the_cells_take_two_rows():
    plate = np.nonzero(render_hud(STATE, SIZE)[..., 3].any(axis=1))[0]
    assert plate.max() - plate.min() < 0.55 * SIZE[1]


def test_no_shipped_scene_is_shortened():
    names = [path.stem for path in (Path(livedream.__file__).parent / "data" / "scenes").glob("*.toml")]
    assert len(names) > 9
    assert max(lettering.text_width(name, 40) for name in names) <= lettering.text_width(WIDEST["scene"], 40)


def test_the_plate_shows_after_the_start():
    hud = Hud(100.0)
    assert hud.overlay(STATE, SIZE, 100.0) is not None
    assert hud.overlay(STATE, SIZE, 107.0) is None


def test_a_reading_shows_for_a_moment_and_fades():
    hud = Hud(0.0)
    hud.read(Reading("strength", "1.2×", 0.4), 50.0)
    whole, still = hud.overlay(STATE, SIZE, 50.0), hud.overlay(STATE, SIZE, 51.1)
    fading = hud.overlay(STATE, SIZE, 51.3)
    assert whole is still
    assert 0 < fading[..., 3].max() < whole[..., 3].max()
    assert hud.overlay(STATE, SIZE, 52.0) is None


def test_a_reading_and_the_pinned_plate_do_not_cover_each_other():
    plate, reading = (
        render_hud(STATE, SIZE, plate=plate, reading=(reading, 1.0))[..., 3] > 0
        for plate, reading in (
            (True, None),
            (True, Reading("network", "bvlc_googlenet", note="the only one here")),
        )
    )
    alone = reading & ~plate
    assert alone.any()
    assert (reading & plate).sum() == plate.sum()
    assert np.nonzero(alone.any(axis=1))[0].max() < np.nonzero(plate.any(axis=1))[0].min()


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (1024, 768), (720, 1280)])
def test_a_reading_covers_neither_the_plate_nor_the_recording_mark(size):
    state = dataclasses.replace(STATE, recording_s=65.0, fault_text="camera unplugged: 1, last 13:38")
    reading = Reading("dream of", "golden retriever, daisy:0.5, castle", 0.4, "the only one here")
    calm, read = render_hud(state, size), render_hud(state, size, reading=(reading, 1.0))
    assert (read != calm).any()
    assert (read[calm[..., 3] > 0] == calm[calm[..., 3] > 0]).all()


@pytest.mark.parametrize(("size", "stays"), [((1280, 720), False), ((720, 1280), True)])
def test_a_message_makes_way_for_a_reading_that_needs_its_place(size, stays):
    state = dataclasses.replace(STATE, fault_text="camera unplugged: 1, last 13:38")
    reading = Reading("dream of", "castle", 0.4, "the only one here")
    say = {"message": "the camera process has stopped; showing its last picture until it is back"}
    plain, said, read = (render_hud(state, size, **words) for words in ({}, say, {"reading": (reading, 1.0)}))
    both = render_hud(state, size, reading=(reading, 1.0), **say)
    message = (said != plain).any(axis=2)
    assert message.any()
    assert (both[message] == (said if stays else read)[message]).all()


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (320, 180), (48, 48), (8, 8)])
def test_any_reading_fits(size):
    long = Reading(
        "a setting with a long name", "golden retriever, daisy:0.5, castle:0.2, tiger", 2.0, "why " * 40
    )
    shown = render_hud(HudState(), size, plate=False, reading=(long, 1.0))
    if min(size) >= 180:
        assert not np.concatenate([shown[0, :, 3], shown[-1, :, 3], shown[:, 0, 3], shown[:, -1, 3]]).any()


def test_a_pin_keeps_the_plate_until_it_is_toggled_again():
    hud = Hud(0.0)
    assert hud.overlay(STATE, SIZE, 50.0) is None
    hud.toggle_pin(50.0)
    assert hud.overlay(STATE, SIZE, 5000.0) is not None
    hud.toggle_pin(5000.0)
    assert hud.overlay(STATE, SIZE, 5000.1) is None


def test_the_pin_key_hides_a_plate_that_shows_by_itself():
    hud = Hud(0.0)
    hud.toggle_pin(1.0)
    assert hud.overlay(STATE, SIZE, 1.0) is None


def test_a_message_that_no_longer_holds_is_removed_but_an_alarm_stays():
    hud = Hud(0.0)
    later = 10.0  # the plate shown at the start has gone
    hud.say("loading dreamnet", later)
    assert hud.overlay(STATE, SIZE, later) is not None
    hud.unsay("something else", later)
    assert hud.overlay(STATE, SIZE, later) is not None
    hud.unsay("loading dreamnet", later)
    assert hud.overlay(STATE, SIZE, later) is None
    hud.say("dream ended with exit code 3", later, alarm=True)
    hud.unsay("dream ended with exit code 3", later)
    assert hud.overlay(STATE, SIZE, later) is not None


def test_an_alarm_stays_longer_than_a_message():
    hud = Hud(0.0)
    hud.say("snapshot saved", 50.0)
    assert hud.overlay(STATE, SIZE, 52.0) is not None
    assert hud.overlay(STATE, SIZE, 60.0) is None
    hud.say("the camera is lost", 100.0, alarm=True)
    assert hud.overlay(STATE, SIZE, 112.0) is not None
    assert hud.overlay(STATE, SIZE, 120.0) is None


def test_the_recording_mark_shows_while_recording():
    hud = Hud(0.0)
    recording = dataclasses.replace(STATE, recording_s=65.0)
    assert recording.clock() == "1:05"
    overlay = hud.overlay(recording, SIZE, 100.0)
    assert overlay is not None
    ys, xs = np.nonzero(overlay[..., 3])
    assert xs.min() > SIZE[0] / 2
    assert ys.max() < SIZE[1] / 4
    assert hud.overlay(STATE, SIZE, 101.0) is None


def test_help_toggles_with_its_key_and_times_out():
    hud = Hud(0.0, help_rows=ROWS)
    hud.toggle_help(50.0)
    help = hud.overlay(STATE, SIZE, 50.0)
    assert help is not None
    assert help[..., 3].min() > 0  # it covers everything
    hud.toggle_help(51.0)
    assert hud.overlay(STATE, SIZE, 51.0) is None
    hud.toggle_help(60.0)
    assert hud.overlay(STATE, SIZE, 200.0) is None


def test_the_overlay_is_redrawn_only_when_something_changed():
    hud = Hud(0.0)
    first = hud.overlay(STATE, SIZE, 0.0)
    assert hud.overlay(STATE, SIZE, 0.1) is first
    assert hud.overlay(STATE, SIZE, 3.0) is first
    other = dataclasses.replace(STATE, dream_fps=25.0)
    assert hud.overlay(other, SIZE, 3.1) is not first


def test_measured_values_do_not_flicker_but_a_key_press_shows_immediately():
    hud = Hud(0.0)
    first = hud.overlay(STATE, SIZE, 0.0)
    other = dataclasses.replace(STATE, dream_fps=25.0)
    assert hud.overlay(other, SIZE, 0.2) is first
    hud.read(Reading("steps", "3"), 0.3)
    assert hud.overlay(other, SIZE, 0.3) is not first


def test_another_text_makes_another_overlay():
    one = render_hud(STATE, SIZE)
    other = render_hud(dataclasses.replace(STATE, layer="inception_3b"), SIZE)
    assert (one != other).any()


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (720, 1280), (640, 360)])
def test_everything_fits_on_the_screen(size):
    long = dataclasses.replace(
        STATE,
        source="/dev/v4l/by-id/usb-a_camera_with_a_very_long_name-" + "x" * 60,
        faults=3,
        recording_s=1.0,
    )
    message = "asked for a thing; found another; possible: " + ", ".join(f"thing {i}" for i in range(60))
    for overlay in (render_hud(long, size, message=message, alarm=True), render_help(ROWS, size)):
        assert overlay.shape == (size[1], size[0], 4)
        assert overlay.dtype == np.uint8
    hud = render_hud(long, size, message=message)
    border = np.concatenate([hud[0, :, 3], hud[-1, :, 3], hud[:, 0, 3], hud[:, -1, 3]])
    assert not border.any()


def test_type_is_legible_from_two_metres():
    """A value's capitals are at least 2.8 % of the screen's height."""
    overlay = render_hud(HudState(layer="H", steps=1), SIZE)
    accent = (overlay[..., :3] == (255, 206, 112)).all(axis=2)
    rows = np.nonzero(accent.any(axis=1))[0]
    assert rows.max() - rows.min() >= 0.028 * SIZE[1]


def test_text_is_wrapped_and_shortened_to_its_width():
    text = "one two three four five six seven eight nine ten eleven twelve"
    lines = lettering.wrap(text, 30, 300, 3)
    assert len(lines) == 3
    assert all(lettering.text_width(line, 30) <= 300 for line in lines)
    assert lines[-1].endswith("...")
    assert lettering.wrap("short", 30, 300, 3) == ["short"]


def test_characters_missing_from_the_typeface_come_from_another():
    assert lettering.font_for("camera", 30) is not lettering.font_for("caméra", 30)


@pytest.mark.parametrize("size", [(1280, 32), (96, 54), (48, 48), (8, 8), (1, 1)])
def test_nothing_is_too_small_to_draw_on(size):
    from livedream.controls.keyboard import help_rows

    state = HudState(network="dreamnet", layer="parts", recording_s=3.0, faults=2)
    assert render_hud(state, size, message="something has happened", alarm=True).shape == (
        size[1],
        size[0],
        4,
    )
    assert render_hud(state, size, plate=False).shape == (size[1], size[0], 4)
    assert render_help(help_rows(), size).shape == (size[1], size[0], 4)
