"""Cue lists: a whole set by GO, time, beats and visitors; mistakes are found before the show."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from livedream.controls.actions import GoTo, Recall, RecallKey
from livedream.data import shipped
from livedream.errors import UsageError
from livedream.performance.cue_player import CueFile, CuePlayer, Cues, open_cues
from livedream.performance.cues import Cue, CueList, check_cues, read_cues
from livedream.performance.scenes import Scenes
from livedream.performance.state import PlayState
from livedream.performance.store import Performance
from livedream.settings import Settings
from tests.performance.playing import until_read

SET = """title = "Set"
[[cue]]
scene = "fog"
fade_s = 1.0
[[cue]]
scene = "sun"
title = "Morning"
hold_s = 5.0
[[cue]]
scene = "fog"
hold_beats = 8
[[cue]]
scene = "sun"
hold_s = 2.0
until = "nobody"
[[cue]]
scene = "fog"
"""
NAMES = {"fog": 0, "sun": 0}  # as files by name


def player(*cues: Cue, loop: bool = False) -> CuePlayer:
    return CuePlayer(CueList("", cues, loop))


def cue(scene: str, **words) -> Cue:
    return Cue(scene, words.pop("title", scene), **words)


def recalled(player: CuePlayer, times, beats=lambda t: None, somebody=lambda t: None):
    """(time, scene) of each cue that begins."""
    found = [(t, player.step(t, beats(t), somebody(t))) for t in times]
    return [(t, recall.scene) for t, recall in found if recall is not None]


def steps(start: float, end: float, hz: int = 10):
    return [start + n / hz for n in range(int((end - start) * hz))]


def test_the_first_cue_begins_with_the_show_and_the_next_waits_for_go():
    show = player(cue("fog", fade_s=1.0), cue("sun"))
    assert show.step(0.0, None, None) == Recall("fog", 1.0)
    assert recalled(show, steps(0, 100)) == []
    show.go()
    assert show.step(100.0, None, None) == Recall("sun", None)
    with pytest.raises(UsageError, match="this was the last of 2 cues"):
        show.go()
    show.back()
    assert show.step(101.0, None, None).scene == "fog"
    with pytest.raises(UsageError, match="this is the first cue"):
        show.back()


def test_a_cue_follows_after_its_time_and_a_loop_begins_again():
    show = player(cue("fog", hold_s=5.0), cue("sun", hold_s=2.0), loop=True)
    assert recalled(show, steps(0, 15)) == [(0, "fog"), (5, "sun"), (7, "fog"), (12, "sun"), (14, "fog")]


def test_a_cue_follows_on_the_beat_even_if_go_came_beside_it():
    show = player(cue("fog"), cue("sun", hold_beats=4), cue("fog"))
    show.step(0.0, 0.0, None)
    show.go()
    show.step(1.1, 2.2, None)
    ((at_s, scene),) = recalled(show, steps(1.1, 9, 100), beats=lambda t: 2 * t)
    assert (at_s, scene) == (pytest.approx(3.0, abs=0.011), "fog")  # beat 6


def test_without_a_tempo_a_cue_of_beats_waits_and_counts_from_the_first():
    show = player(cue("fog", hold_beats=4), cue("sun"))
    assert recalled(show, steps(0, 50)) == [(0, "fog")]
    assert recalled(show, steps(50, 60), beats=lambda t: 2 * (t - 50)) == [(pytest.approx(52), "sun")]


def test_a_clock_that_starts_at_its_first_beat_again_does_not_strand_a_cue():
    show = player(cue("fog", hold_beats=4), cue("sun"))
    show.step(0.0, 1000.0, None)
    assert recalled(show, steps(1, 10), beats=lambda t: 2 * (t - 1)) == [(pytest.approx(3), "sun")]


@pytest.mark.parametrize("until", ["somebody", "nobody"])
def test_a_cue_follows_when_a_visitor_comes_or_all_have_left_but_not_before_its_time(until):
    show = player(cue("fog", hold_s=3.0, until=until), cue("sun"))
    other, wanted = until == "nobody", until == "somebody"
    assert recalled(show, steps(0, 2), somebody=lambda t: wanted) == [(0, "fog")]
    assert recalled(show, steps(2, 9), somebody=lambda t: other) == []
    assert recalled(show, steps(9, 10)) == []  # nobody looks
    assert recalled(show, steps(10, 11), somebody=lambda t: wanted) == [(10, "sun")]


def test_nothing_follows_before_the_dream_is_there():
    show = CuePlayer(CueList("", (cue("fog", hold_s=5.0), cue("sun"))), begun=False)
    assert recalled(show, steps(0, 60)) == [(0, "fog")]
    show.begin(60.0)
    assert recalled(show, steps(60, 70)) == [(65, "sun")]


def test_a_scene_that_somebody_recalls_stays_until_go():
    show = player(cue("fog", hold_s=5.0), cue("sun"))
    show.step(0.0, None, None)
    show.hold()
    assert recalled(show, steps(1, 60)) == []
    assert show.news().words() == "cue 1/2 fog; next: sun on GO"
    show.go()
    assert show.step(60.0, None, None).scene == "sun"


def test_any_cue_is_played_by_its_number():
    show = player(cue("fog"), cue("sun"), cue("fog"))
    show.step(0.0, None, None)
    show.go_to(3)
    show.step(1.0, None, None)
    assert show.news().words() == "cue 3/3 fog, the last"
    for number in (0, 4, -1):
        with pytest.raises(UsageError, match=f"unknown cue {number}; possible: 1–3"):
            show.go_to(number)


def test_the_operator_reads_what_comes_next():
    show = player(cue("fog", title="Dusk", hold_s=5, until="somebody"), cue("sun", hold_beats=8), cue("fog"))
    assert show.news().words() == ""
    show.step(0.0, None, None)
    assert show.news().words() == "cue 1/3 Dusk; next: sun after 5 s and when somebody comes"
    show.go()
    show.step(1.0, None, None)
    assert show.news().words() == "cue 2/3 sun; next: fog after 8 beats"


def test_a_file_is_read(tmp_path):
    (tmp_path / "set.toml").write_text(SET)
    cues = read_cues(tmp_path / "set.toml", NAMES)
    assert (cues.title, cues.loop, len(cues.cues)) == ("Set", False, 5)
    assert cues.cues[0] == Cue("fog", "fog", fade_s=1.0)
    assert cues.cues[1] == Cue("sun", "Morning", hold_s=5.0)
    assert cues.cues[3] == Cue("sun", "sun", hold_s=2.0, until="nobody")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found 0 cues, expected 1–500 tables [[cue]]"),
        ("cue = 3", "found 3, expected 1–500 tables [[cue]]"),
        ("cue = [3]", "cue 1: invalid value 3: expected a table [[cue]]"),
        ('[[cue]]\nscene = "rain"', "cue 1: scene: unknown scene 'rain'; possible: fog, sun"),
        ("[[cue]]\nscene = 3", "cue 1: scene: unknown scene 3"),
        ("[[cue]]\nscene = ['fog']", "cue 1: scene: unknown scene ['fog']"),
        ('[[cue]]\nscene = "fog"\nhold = 3', "cue 1: hold: unknown; possible: scene, title, fade_s, hold_s"),
        ('[[cue]]\nscene = "fog"\nhold_s = -3', "cue 1: hold_s: invalid value -3: expected 0.1–86400 s"),
        ('[[cue]]\nscene = "fog"\nhold_s = true', "hold_s: invalid value True"),
        ('[[cue]]\nscene = "fog"\nhold_s = nan', "hold_s: invalid value nan"),
        (
            '[[cue]]\nscene = "fog"\nhold_beats = "8"',
            "hold_beats: invalid value '8': expected 1–100000 beats",
        ),
        ('[[cue]]\nscene = "fog"\nuntil = "GO"', "until: invalid value 'GO': expected somebody or nobody"),
        ('[[cue]]\nscene = "fog"\ntitle = 3', "title: invalid value 3: expected a text in quotes"),
        ('loop = "yes"\n[[cue]]\nscene = "fog"', "loop: invalid value 'yes': expected true or false"),
        ("cue = " + "[" * 5000, "cannot be read: it is nested too deeply"),
        ("[[cue]]\nscene = fog", "cannot be read: Invalid value"),
    ],
)
def test_a_mistake_in_a_file_is_one_line(tmp_path, text, said):
    (tmp_path / "set.toml").write_text(text)
    with pytest.raises(UsageError) as error:
        read_cues(tmp_path / "set.toml", NAMES)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_the_check_finds_every_mistake(tmp_path):
    (tmp_path / "set.toml").write_text(SET.replace("sun", "rain").replace("8", "-8"))
    assert len(check_cues(tmp_path / "set.toml", NAMES)[1]) == 3
    with pytest.raises(UsageError, match=r"\(and 2 more: livedream cues check\)"):
        read_cues(tmp_path / "set.toml", NAMES)


def changed(path, text, number):
    path.write_text(text)
    os.utime(path, (number, number))  # another time, however coarse the disk's clock


def after_looking(cues: Cues, now: float):
    """The news of one look at the file, which a thread takes."""
    deadline = time.monotonic() + 30
    news = []
    while not news and time.monotonic() < deadline:
        news = cues.step(now, None, None)[1]
        time.sleep(0.001)
    return news


def test_a_file_that_changes_is_played_from_the_next_cue_on_and_a_broken_one_is_not(tmp_path):
    path, now = tmp_path / "set.toml", 0.0
    path.write_text(SET)
    cues = Cues(CueFile(path, lambda: NAMES, lambda: now))
    try:
        cues.step(0.0, None, None)
        changed(path, SET.replace('"sun"', '"rain"'), 10)
        now = 2.0
        ((said, alarm),) = after_looking(cues, now)
        assert said.startswith("going on with the old cue list: cue list")
        assert alarm
        changed(path, SET.replace("Morning", "Evening"), 20)
        now = 4.0
        assert after_looking(cues, now) == [("cue list changed: 5 cues from the next on", False)]
        assert cues.player.news().title == "fog"
        cues.player.go()
        cues.step(now, None, None)
        assert cues.player.news().title == "Evening"
        changed(path, '[[cue]]\nscene = "sun"\n', 30)  # shorter than where the show is
        now = 6.0
        after_looking(cues, now)
        cues.player.back()
        cues.step(now, None, None)
        assert cues.player.news().words() == "cue 1/1 sun, the last"
    finally:
        cues.close()


@pytest.fixture
def show(tmp_path):
    (tmp_path / "fog.toml").write_text('title = "Fog"\nfade_s = 0.0\n[settings]\nstrength = 2.0\n')
    (tmp_path / "sun.toml").write_text('title = "Sun"\nkey = 3\nfade_s = 0.0\n[settings]\nstrength = 0.5\n')
    (tmp_path / "set").write_text(SET)
    scenes = Scenes(tmp_path)
    performance = Performance(
        PlayState.begin(Settings(attract_after_s=5.0), None),
        scenes,
        0.0,
        cues=open_cues(tmp_path / "set", scenes, 2),
    )
    yield performance
    performance.close()


def test_a_performance_plays_its_cues_and_begins_where_it_was_cut_off(show):
    show.begin(0.0)
    assert until_read(show, 0.0) == [("cue 2/5 Morning; next: fog after 5 s", False)]
    assert (show.settings.strength, show.scene, show.cue.number) == (0.5, "sun", 2)
    assert show.changes()[-1].origin == "cue"
    until_read(show, 5.0)
    until_read(show, 6.5)
    assert (show.settings.strength, show.cue.number) == (2.0, 3)
    show.act(GoTo(1), 7.0)
    until_read(show, 7.0)
    assert show.cue.number == 1
    show.act(GoTo(2), 8.0)
    until_read(show, 8.0)
    show.act(RecallKey(3), 9.0, origin="keyboard")
    until_read(show, 9.0)
    assert show.scene == "sun"
    assert show.cue.words() == "cue 2/5 Morning; next: fog on GO"
    show.act(GoTo(2), 10.0)
    until_read(show, 10.0)
    show.act(Recall("nowhere"), 11.0, origin="osc")
    assert "unknown scene" in until_read(show, 11.0)[0][0]
    assert show.cue.words() == "cue 2/5 Morning; next: fog after 5 s"


def test_no_attract_dream_interrupts_a_cue_list(show):
    until_read(show, 0.0, True)
    show.act(GoTo(1), 1.0)
    for now in range(1, 60):
        until_read(show, float(now), False)
    assert not show.attract.active


def test_the_shipped_sets_have_no_mistakes():
    paths = sorted((shipped("cues")).glob("*.toml"))
    assert paths
    for path in paths:
        assert check_cues(path, Scenes().paths())[1] == ()


def test_the_documentations_example_is_a_cue_list(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "cues.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.S)
    (tmp_path / "friday.toml").write_text(example)
    cues, problems = check_cues(tmp_path / "friday.toml", Scenes(tmp_path).paths())
    assert problems == ()
    assert [one.follow for one in cues.cues] == [
        "on GO",
        "after 20 s",
        "after 32 beats",
        "after 10 s and when nobody is left",
    ]
