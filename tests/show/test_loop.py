"""The show's loop in this process, on a fake clock: frames and residuals in, pictures out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from livedream.controls.actions import Command, Nudge, Set, SetLfo, SetModulation, SetSource, SetUnit
from livedream.controls.port import Change, Refusal
from livedream.errors import LivedreamError, OutputError, SourceError
from livedream.ipc.protocol import DreamStatus, SourceStatus
from livedream.show.options import MirrorOptions
from livedream.sinks.window import Closed, Exposed, KeyPressed, Resized
from tests.show.rig import Rig


@pytest.fixture
def rig(tmp_path):
    rigs = []

    def make(options: MirrorOptions | None = None, **settings) -> Rig:
        rigs.append(Rig(tmp_path, options or MirrorOptions(), mirror=False, **settings))
        return rigs[-1]

    yield make
    for one in rigs:
        one.performance.close()


def test_the_newest_residual_is_laid_over_the_newest_frame(rig):
    show = rig()
    show.run(0.5, level=None)
    assert show.brightness == pytest.approx(100)
    show.run(0.5, level=20.0)
    assert show.brightness == pytest.approx(120, abs=1)
    assert show.front.begun == 1


def test_a_dream_that_stops_fades_away_by_the_shows_own_clock(rig):
    show = rig()
    show.run(0.5, level=20.0)
    show.run(1.5, level=None)
    assert show.brightness == pytest.approx(120, abs=1)
    show.run(1.5, level=None)
    assert 101 < show.brightness < 119
    show.run(1.5, level=None)
    assert show.brightness == pytest.approx(100)


def test_pictures_come_at_the_rate_of_the_camera_at_most_at_that_of_a_screen(rig):
    show = rig()
    show.run(2.0)
    rate = len(show.front.pictures) / 2
    assert 28 <= rate <= 60


def wait(show, seconds=1.0):
    """Time in which no frame and no residual comes."""
    for _ in range(round(seconds * 100)):
        show.mirror.step(show.now)
        show.now += 0.01


def test_without_anything_new_nothing_is_composed_or_shown(rig):
    show = rig()
    show.run(0.5)
    wait(show, 0.3)
    shown, before = len(show.front.pictures), show.front.told
    wait(show)
    assert len(show.front.pictures) == shown
    assert show.front.told.recomposed == before.recomposed
    assert show.front.told.pictures == before.pictures
    assert show.front.told.unchanged - before.unchanged > 40


@pytest.mark.parametrize("event", [Exposed(), Resized()])
def test_a_window_that_was_covered_is_given_the_picture_again(rig, event):
    show = rig()
    show.run(0.5)
    wait(show, 0.3)
    shown, before = len(show.front.pictures), show.front.told.recomposed
    show.front.events = [event]
    wait(show)
    assert len(show.front.pictures) == shown + 1
    assert show.front.told.recomposed == before


def test_a_setting_changes_a_picture_whose_frame_stays(rig):
    show = rig()
    show.run(0.5)
    wait(show, 0.3)
    shown = len(show.front.pictures)
    show.hand.actions = [SetUnit("strength", 2 / 3)]
    wait(show, 0.1)
    assert show.brightness == pytest.approx(140, abs=1)
    show.hand.actions = [Set("blackout", True)]
    wait(show, 0.1)
    assert show.brightness == 0
    show.hand.actions = [Set("blackout", False)]
    wait(show, 0.1)
    assert show.brightness == pytest.approx(140, abs=1)
    assert len(show.front.pictures) == shown + 3


def test_an_overlay_is_shown_when_it_changes_and_not_otherwise(rig):
    show = rig()
    show.front.hud_size = (320, 180)
    show.run(0.5)
    wait(show, 8)  # the plate of the start goes away
    shown = len(show.front.pictures)
    wait(show)
    assert len(show.front.pictures) == shown
    show.hand.actions = [Command.HELP]
    wait(show)
    assert len(show.front.pictures) == shown + 1


def test_how_regularly_pictures_come_is_measured(rig):
    show = rig()
    show.run(2.0)
    found = show.front.told
    assert found.interval_ms.p50 == pytest.approx(1000 / 30, abs=1)
    assert found.renderer == "cpu"
    assert 0 < found.recomposed <= found.pictures


def test_a_control_changes_the_picture_and_all_controls_hear_of_it(rig):
    show = rig()
    show.run(0.5)
    show.hand.actions = [SetUnit("strength", 2 / 3)]
    show.run(0.2)
    assert show.brightness == pytest.approx(140, abs=1)
    assert show.hand.heard == [Change("hand", ("strength",), show.performance.settings)]
    assert show.feeds.orders[-1].settings.strength == 2.0


def test_the_keyboard_is_a_control_like_any_other(rig):
    show = rig()
    show.front.events = [KeyPressed("up"), KeyPressed("b")]
    show.run(0.1)
    assert show.performance.settings.strength == pytest.approx(1.1)
    assert show.brightness == 0.0  # blackout
    assert [change.origin for change in show.hand.heard] == ["keyboard", "keyboard"]


def test_what_is_not_possible_is_told_to_whoever_asked_and_changes_nothing(rig):
    show = rig()
    show.hand.actions = [Set("steps", 99), Command.SNAPSHOT]
    show.mirror.step(show.now)
    refused = [news for news in show.hand.heard if isinstance(news, Refusal)]
    assert [news.action for news in refused] == [Set("steps", 99), Command.SNAPSHOT]
    assert "expected 0–20" in refused[0].reason
    assert refused[1].reason == "no snapshot: there is no picture yet"
    show.run(0.2)
    show.hand.actions = [Command.SNAPSHOT]
    show.run(0.1)
    assert len(show.front.saved) == 1


def test_a_stream_of_impossible_actions_is_logged_once_a_second(rig, caplog):
    show = rig()
    for _ in range(130):
        show.hand.actions = [Set("steps", 99)]
        show.mirror.step(show.now)
        show.now += 1 / 60
    said = [record.message for record in caplog.records if "expected 0–20" in record.message]
    assert len(said) == 3
    assert "more)" not in said[0]
    assert said[1].endswith(" more)")
    assert len([news for news in show.hand.heard if isinstance(news, Refusal)]) == 130


def test_whatever_goes_wrong_with_an_action_costs_only_that(rig, monkeypatch, caplog):
    show = rig()
    show.run(0.2)

    def broken(picture, settings):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(show.front, "snapshot", broken)
    show.hand.actions = [Command.SNAPSHOT, Set("strength", 0.3)]
    show.run(0.2)
    assert show.performance.settings.strength == 0.3
    (refused,) = [news for news in show.hand.heard if isinstance(news, Refusal)]
    assert refused.reason == "snapshot failed: [Errno 5] Input/output error"
    assert "asked for by hand" in caplog.text


def test_what_needs_a_window_is_refused_without_one(rig):
    show = rig()
    show.hand.actions = [Command.HELP]
    show.mirror.step(show.now)
    assert [news.reason for news in show.hand.heard] == [
        "no help: no screen of this mirror shows it",
    ]


def test_the_pages_address_is_shown_where_there_is_a_page(rig):
    show = rig()
    show.run(0.2)
    show.front.hud_size = (320, 180)
    show.hand.actions = [Command.ADDRESS]
    show.run(0.2)
    assert "--page" in show.hand.heard[-1].reason
    before = len(show.front.pictures)
    show.front.page = "http://127.0.0.1:8400/"
    show.hand.actions = [Command.ADDRESS]
    show.run(0.2, level=None)
    assert not [news for news in show.hand.heard[1:] if isinstance(news, Refusal)]
    assert len(show.front.pictures) > before


def test_another_source_is_shown_and_said(rig):
    show = rig()
    show.hand.actions = [SetSource("clouds")]
    show.mirror.step(show.now)
    assert show.feeds.source.source == "clouds"


def test_who_is_told_of_a_change_finds_it_on_the_desk(rig):
    show = rig()
    found = []
    show.hand.announce = lambda news: found.append(show.desk.view.settings.strength)
    show.hand.actions = [Set("strength", 2.5)]
    show.mirror.step(show.now)
    assert found == [2.5]


def test_a_resize_orders_another_crop_and_never_shows_a_dream_of_the_old_one(rig):
    show = rig()
    show.run(0.5, level=20.0)
    show.front.size = (90, 160)
    show.front.events = [Resized()]
    show.feeds.capture(show.now)
    show.feeds.dreamt(20.0, aspect=16 / 9)  # still on its way
    show.mirror.step(show.now)
    assert show.feeds.orders[-1].aspect == pytest.approx(9 / 16)
    assert show.brightness == pytest.approx(100)
    for _ in range(10):
        show.now += 1 / 30
        show.feeds.capture(show.now)
        show.feeds.dreamt(20.0, aspect=show.feeds.orders[-1].aspect)
        show.mirror.step(show.now)
    assert show.brightness > 115


def test_nothing_is_ordered_while_nothing_changes(rig):
    show = rig()
    show.run(2.0)
    assert len(show.feeds.orders) == 1
    show.hand.actions = [Nudge("steps", 1)]
    show.run(1.0)
    assert [order.number for order in show.feeds.orders] == [1, 2]


def test_a_dream_is_told_when_pictures_come_late(rig):
    rig = rig()
    rig.run(5)
    assert rig.feeds.orders[-1].late == 0.0
    show = rig.front.show

    def slowly(*shown):
        show(*shown)
        rig.now += 0.03

    rig.front.show = slowly
    rig.run(5)
    assert rig.feeds.orders[-1].late == 1.0


def test_a_frozen_picture_stays(rig):
    show = rig()
    show.run(0.5, level=20.0)
    show.hand.actions = [Set("freeze", True)]
    show.run(0.5, level=80.0)
    assert show.brightness == pytest.approx(120, abs=1)


def test_closing_the_window_or_a_key_ends_the_show(rig):
    for events in ([Closed()], [KeyPressed("escape")] * 2):
        show = rig()
        show.front.events = events
        show.mirror.step(show.now)
        assert show.stop.is_set


def test_one_brushed_key_does_not_end_the_show_and_a_locked_one_never(rig):
    show = rig()
    for _ in range(2):
        show.front.events = [KeyPressed("escape")]
        show.mirror.step(show.now)
        show.now += 2.5
    assert not show.stop.is_set
    show.keyboard.locked = True
    show.front.events = [KeyPressed("escape"), KeyPressed("escape"), KeyPressed("a")]
    show.mirror.step(show.now)
    assert not show.stop.is_set


def test_what_a_control_sets_is_read_in_large_type_for_a_moment(rig):
    show = rig()
    show.front.hud_size = (320, 180)
    show.run(0.2)
    show.now += 10.0  # the plate shown at the start has gone
    show.hand.actions = [Set("steps", 7)]
    show.mirror.step(show.now)
    assert show.mirror._overlay is not None
    show.now += 2.0
    show.mirror.step(show.now)
    assert show.mirror._overlay is None
    show.now += 0.1
    show.hand.name = "osc"  # its own screen shows it
    show.hand.actions = [Set("steps", 9)]
    show.mirror.step(show.now)
    assert show.mirror._overlay is None
    show.now += 0.1
    show.hand.name = "hand"
    show.hand.actions = [Set("show_values", False), Set("steps", 8)]
    show.mirror.step(show.now)
    assert show.mirror._overlay is None


def test_frames_and_duration_end_the_show(rig):
    show = rig(MirrorOptions(frames=10))
    show.run(0.2, level=None)
    assert not show.stop.is_set
    show.run(0.5)
    assert show.stop.is_set


def test_a_source_that_cannot_be_opened_ends_the_start(rig):
    show = rig()
    show.feeds.source = SourceStatus(phase="failed", error="no such file")
    with pytest.raises(SourceError, match="no such file"):
        show.mirror.step(show.now)


def test_a_dream_that_fails_at_the_start_ends_it_and_later_does_not(rig):
    show = rig()
    show.run(0.5)
    show.feeds.dream = DreamStatus(phase="failed", error="out of memory")
    show.run(1.0, level=None)
    show = rig()
    show.feeds.dream = DreamStatus(phase="failed", error="weights are damaged")
    with pytest.raises(LivedreamError, match="weights are damaged"):
        show.mirror.step(show.now)


def test_settings_that_crash_the_dream_twice_are_taken_back_and_it_is_said(rig):
    show = rig(layer="edges")
    show.run(12.0)
    show.hand.actions = [Set("layer", "objects")]
    show.run(0.2)
    for _ in range(2):
        show.orders.died()
        show.feeds.trouble = ["dream ended with exit code -11; restarting"]
        show.feeds.dream = DreamStatus(phase="importing")
        show.run(1.0, level=None)
    assert show.performance.settings.layer == "edges"
    assert show.feeds.orders[-1].settings.layer == "edges"
    assert "the dream crashed twice with layer objects; back to what worked before" in show.front.told.message
    assert show.hand.heard[-1].origin == "dream"


def test_statistics_are_written_even_where_the_recording_fails(rig, tmp_path):
    path = tmp_path / "stats.json"
    show = rig(MirrorOptions(frames=5, stats=path))
    show.front.end_error = OutputError("the disk is full")
    show.run(0.5)
    with pytest.raises(OutputError, match="the disk is full"):
        show.mirror.run()
    found = json.loads(path.read_text())
    assert found["frames"] >= 5
    assert found["source"] == "camera 0"


def test_the_last_picture_is_saved_even_where_the_statistics_fail(rig, tmp_path):
    photo = tmp_path / "last.png"
    options = replace(MirrorOptions(frames=5), stats=tmp_path / "none" / "stats.json", snapshot=photo)
    show = rig(options)
    show.run(0.5)
    with pytest.raises(OutputError, match="cannot write"):
        show.mirror.run()
    assert photo.exists()


def test_a_visitors_mask_is_everywhere_on_clouds_in_which_nobody_can_be(rig):
    show = rig(mask="visitor")
    show.run(1.0)
    assert show.brightness == pytest.approx(100)
    show.feeds.source = SourceStatus(phase="running", source="clouds", kind="clouds", size=(160, 90))
    show.run(1.0)
    assert show.brightness == pytest.approx(120, abs=1)


def test_controls_find_the_show_on_the_desk(rig):
    rig = rig()
    rig.run(1.0)
    rig.hand.actions = [Set("steps", 7)]
    rig.run(1.0)
    view = rig.desk.view
    assert view.settings.steps == 7
    assert view.status["display_fps"] > 0
    assert "patterns" in view.lists["layer"]


def test_a_lost_camera_leads_into_the_attract_dream_and_is_back_with_it(rig):
    show = rig()
    show.run(1.0)
    lost = SourceStatus(phase="running", kind="clouds", fallback=True, lost=True)
    show.feeds.source, camera = lost, show.feeds.source
    for _ in range(1000):
        show.run(0.1)
        if not show.performance.busy:  # the scene is read on a thread
            break
    show.run(0.1)
    assert show.performance.attract.active
    assert show.performance.wanted.feedback == 1
    show.feeds.source = camera
    show.run(1.0)
    assert not show.performance.attract.active
    assert show.performance.settings.feedback == 0


def test_clouds_in_place_of_a_camera_are_not_learnt_as_its_room(rig):
    show = rig()
    show.run(1.0)
    assert show.mirror._picture.presence.learnt_s > 0
    show.feeds.source = SourceStatus(kind="clouds", fallback=True)
    before = show.mirror._picture.presence.learnt_s
    show.run(1.0)
    assert show.mirror._picture.presence.learnt_s == before


def test_what_only_the_dream_uses_composes_no_picture(rig):
    show = rig()
    show.run(0.5)
    wait(show, 0.3)
    before = show.mirror._statistics.recomposed
    show.hand.actions = [Set("zoom", 3.0)]
    wait(show, 0.3)
    assert show.feeds.orders[-1].settings.zoom == 3.0
    assert show.mirror._statistics.recomposed == before
    show.hand.actions = [Set("strength", 2.0)]
    wait(show, 0.3)
    assert show.mirror._statistics.recomposed == before + 1


def test_modulation_moves_the_picture_between_frames_and_orders_thirty_times_a_second(rig):
    show = rig(mix="over")
    show.run(0.5, level=20.0)
    show.hand.actions = [
        SetModulation(1, {"source": "lfo1", "setting": "strength", "amount": 0.3}),
        SetLfo("lfo1", {"period_s": 1.0}),
    ]
    show.run(0.5, level=20.0)
    pictures, orders = len(show.front.pictures), len(show.feeds.orders)
    wait(show, 1.0)
    shown = [float(picture.mean()) for picture in show.front.pictures[pictures:]]
    assert len(shown) > 40
    assert min(shown) < 106
    assert max(shown) > 134
    assert 25 <= len(show.feeds.orders) - orders <= 33
    show.hand.actions = [Set("modulation", False)]
    show.run(0.5, level=20.0)
    wait(show, 0.1)
    pictures, orders = len(show.front.pictures), len(show.feeds.orders)
    wait(show, 1.0)
    assert (len(show.front.pictures), len(show.feeds.orders)) == (pictures, orders)
