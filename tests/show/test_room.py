"""What a show says of the room that dreams for it."""

from __future__ import annotations

import pytest

from livedream.ipc.protocol import DreamStatus, RoomStatus
from livedream.settings import Settings
from livedream.show.facts import troubles
from livedream.show.options import MirrorOptions
from livedream.show.snapshot import Measured, Snapshot, hud_state, room_text, stats
from livedream.timing import Percentiles
from tests.show.rig import Rig

ROOM = "ws://10.0.0.7:8850"
HERE = DreamStatus(phase="dreaming")
ASKED = DreamStatus(phase="dreaming", room=RoomStatus(state="connecting", address=ROOM))
AWAY = DreamStatus(
    phase="dreaming",
    dream_at=ROOM,
    room=RoomStatus(state="dreaming", address=ROOM, round_trip_ms=Percentiles(24.4, 31.0, 50.0)),
)
FULL = DreamStatus(
    phase="dreaming", room=RoomStatus(state="waiting", address=ROOM, reason="the room is full")
)


@pytest.mark.parametrize(
    ("dream", "text", "at"),
    [
        (HERE, "", "here"),
        (ASKED, f"dream here: the room at {ROOM} is being tried", "here"),
        (AWAY, f"dream at {ROOM}, 24 ms", ROOM),
        (FULL, "dream here: the room is full", "here"),
    ],
)
def test_where_the_dream_is_made_is_on_the_plate_and_in_the_statistics(dream, text, at):
    snapshot = Snapshot(Settings(), dream=dream)
    assert room_text(dream) == text
    assert hud_state(snapshot, 0.0).lines()[4:] == ((text,) if text else ())
    found = stats(snapshot, Measured())
    assert (found.dream_at, found.room) == (at, dream.room)


def test_only_a_room_with_which_something_is_wrong_is_a_trouble():
    assert [troubles(Snapshot(Settings(), dream=dream)) for dream in (HERE, ASKED, AWAY)] == [(), (), ()]
    (found,) = troubles(Snapshot(Settings(), dream=FULL))
    assert (found.kind, found.text) == ("room", "dream here: the room is full")


def test_the_screen_says_that_the_room_is_away_until_it_is_back(tmp_path):
    rig = Rig(tmp_path, MirrorOptions(), dream_at=ROOM)
    rig.run(0.5)
    for dream, said in ((FULL, True), (AWAY, False)):
        rig.feeds.dream = dream
        rig.run(0.5, level=None)
        assert ("dream here: the room is full" in rig.front.told.message) is said
    assert rig.front.told.dream_at == ROOM


def test_what_dreams_is_said_to_who_asks_whether_the_mirror_is_well(tmp_path):
    rig = Rig(tmp_path, MirrorOptions(), dream_at=ROOM)
    rig.run(0.5)
    assert rig.vitals.condition().dream_at == "here"
    rig.feeds.dream = AWAY
    rig.run(0.5, level=None)
    condition = rig.vitals.condition().as_dict()
    assert (condition["ok"], condition["dream_at"]) == (True, ROOM)
    rig.feeds.dream = FULL
    rig.run(0.5, level=None)
    condition = rig.vitals.condition()
    assert (condition.ok, condition.dream_at) == (True, "here")
    assert "room" in [trouble.kind for trouble in condition.degraded]
