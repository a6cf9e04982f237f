"""The watch decides by the frames and the clock alone what is wrong with a source."""

from functools import cache, partial
from itertools import cycle

import numpy as np
import pytest

from livedream.sources.watch import BLACK_S, STILL_S, Watch, light

GREY = np.full((32, 32, 3), 90, np.uint8)
ROOM = np.zeros((180, 320, 3), np.uint8)
ROOM[50:120, 80:170] = 120
CLOSED_S = BLACK_S["camera"]


def noisy(n):
    return GREY + np.uint8(n % 100)


@cache
def noise(level):
    """A few images of noise, the brighter the noisier, as a sensor's is."""
    rng = np.random.default_rng(1)
    return cycle([np.abs(rng.normal(0, level, ROOM.shape)) + level / 2 + 0.5 * n for n in range(4)])


def sensor(level, picture=None):
    """What a camera delivers: ``picture``, or black, with noise of this level."""
    return np.clip((0 if picture is None else picture) + next(noise(level)), 0, 255).astype(np.uint8)


class Played:
    """A watch that is shown a camera at 10 Hz."""

    def __init__(self, kind="camera"):
        self.watch, self.ticks = Watch(0.0, kind), 0
        self.reopened = 0

    @property
    def now(self):
        return self.ticks / 10

    def show(self, seconds, make):
        """Show ``make()`` for some seconds; when what is wrong changed, to a tick, and to what."""
        news = []
        for _ in range(round(seconds * 10)):
            before = self.watch.fault
            if make is not None and not self.watch.saw(make(), self.now):
                self.reopened += 1
            self.watch.lost(self.now)
            if self.watch.fault != before:
                news.append((self.now, self.watch.fault))
            self.ticks += 1
        return news


def about(at_s, fault):
    return (pytest.approx(at_s, abs=0.11), fault)


def test_patience_before_the_first_frame():
    watch = Watch(100.0, "camera")
    assert not watch.lost(101.4)
    assert watch.lost(101.5)
    assert watch.fault == "camera missing"
    assert watch.counts == {}  # what was never there was not lost


def test_a_failure_means_lost_before_the_first_frame_but_not_later():
    watch = Watch(100.0, "camera")
    assert watch.lost(100.1, failed=True)
    assert watch.saw(GREY, 100.2)
    assert not watch.lost(100.2)
    assert not watch.lost(101.6, failed=True)
    assert watch.lost(101.7, failed=True)
    assert watch.fault == "camera lost"


@pytest.mark.parametrize(
    ("news", "what"),
    [({}, "hung"), ({"failed": True}, "lost"), ({"failed": True, "absent": True}, "unplugged")],
)
def test_a_source_without_frames_is_called_what_it_is(news, what):
    watch = Watch(0.0, "camera")
    for loss in (1, 2):
        for n in range(10):
            watch.saw(noisy(n), 10.0 * loss + n / 10)
            watch.lost(10.0 * loss + n / 10)
        assert not watch.lost(10.0 * loss + 2.3, **news)
        assert watch.lost(10.0 * loss + 2.4, **news)
        assert watch.lost(10.0 * loss + 5.0, **news)
        assert watch.fault == f"camera {what}"
        assert watch.counts == {f"camera {what}": loss}


def test_a_lost_source_is_believed_after_half_a_second_of_frames_and_not_after_one_now_and_then():
    played = Played()
    assert played.show(3.0, lambda: sensor(3, ROOM)) == []
    assert played.show(3.0, None) == [about(4.4, "camera hung")]
    for _ in range(5):  # a stream that trickles
        assert played.show(0.1, lambda: sensor(3, ROOM)) == []
        assert played.show(1.9, None) == []
    assert played.show(2.0, lambda: sensor(3, ROOM)) == [about(16.5, "")]


def test_a_frozen_camera_is_lost_until_its_image_changes():
    watch = Watch(0.0, "camera")
    for n in range(30):
        assert watch.saw(noisy(n), n / 30)
        watch.lost(n / 30)
    frozen_s = 29 / 30 + STILL_S["camera"]
    assert watch.saw(noisy(29), frozen_s - 0.1)
    assert not watch.saw(noisy(29), frozen_s)
    assert watch.lost(frozen_s)
    assert not watch.saw(noisy(29), frozen_s + 2)  # the same after it was reopened
    assert watch.lost(frozen_s + 2)
    for n in range(7):
        assert watch.saw(noisy(n), frozen_s + 3 + n / 10)
        assert watch.lost(frozen_s + 3 + n / 10) == (n < 5)
    assert watch.counts == {"camera frozen": 1}


def test_a_photo_may_be_still_and_a_film_black():
    for kind, image in (("photo", GREY), ("video", ROOM * 0)):
        watch = Watch(0.0, kind)
        assert all(watch.saw(image, n) for n in range(100))
        assert not watch.lost(99.0)


def test_a_stream_may_repeat_a_frame_for_longer_than_a_camera_but_not_forever():
    played = Played("stream")
    assert played.show(29.9, lambda: GREY) == []
    assert played.show(10.0, lambda: GREY) == [about(30.0, "stream frozen")]
    assert played.reopened > 0
    assert played.show(1.0, lambda: noisy(int(played.now * 10))) == [about(40.4, "")]


def test_a_still_stream_that_was_lost_comes_back_though_it_stands_still():
    played = Played("stream")
    played.show(3.0, lambda: GREY)
    played.show(3.0, None)
    assert played.show(3.0, lambda: GREY) == [about(6.5, "")]


@pytest.mark.parametrize("level", [0, 1, 5, 12])
def test_a_lens_cap_is_black_however_much_the_sensor_amplifies_its_noise(level):
    played = Played()
    played.show(3.0, lambda: sensor(3, ROOM))
    assert played.show(33.0, lambda: sensor(level)) == [about(3.0 + CLOSED_S, "camera black")]
    assert played.show(2.0, lambda: sensor(3, ROOM)) == [about(36.6, "")]
    assert played.watch.counts == {"camera black": 1}


def test_a_dark_room_with_somebody_in_it_is_not_black():
    assert light(sensor(4, (ROOM // 8))) > 10
    played = Played()
    assert played.show(20.0, lambda: sensor(4, ROOM // 8)) == []


def test_a_lamp_that_goes_out_and_on_is_a_moment_of_black_that_nobody_calls_a_fault():
    played = Played()
    for _ in range(5):
        assert played.show(3.0, lambda: sensor(3, ROOM)) == []
        assert played.show(CLOSED_S - 1, lambda: sensor(3)) == []


def test_a_sensor_that_sends_the_same_black_is_opened_again_now_and_then():
    played = Played()
    played.show(3.0, lambda: sensor(3, ROOM))
    played.show(120.0, lambda: ROOM * 0)
    assert played.watch.counts == {"camera black": 1}
    assert 3 <= played.reopened <= 4


def test_a_camera_that_starts_with_its_cap_on_is_not_shown():
    played = Played()
    assert played.show(3.0, lambda: sensor(2)) == [(1.5, "camera black")]
    assert not played.watch.seen
    assert played.watch.counts == {}
    played.show(1.0, lambda: sensor(3, ROOM))
    assert played.watch.alive


def test_a_dark_room_lit_by_the_mirrors_own_clouds_does_not_flap():
    played = Played()
    played.show(30.0, lambda: sensor(3, ROOM))
    glow = ROOM // 7  # what the clouds on the screen let the camera see
    faults = []
    for _ in range(600):  # ten minutes: the room is black unless clouds are shown
        seen = glow if played.watch.fault else None
        faults += played.show(1.0, partial(sensor, 1.5, seen))
    assert len(faults) <= 6
    assert faults[-1][1] == "camera black"
    assert faults[-1][0] < 120
    assert played.show(2.0, lambda: sensor(3, ROOM))[-1][1] == ""  # and the lamps are still noticed


def test_own_light_is_forgotten_after_a_minute_of_light():
    played = Played()
    for _ in range(6):
        played.show(70.0, lambda: sensor(1, ROOM // 7))
        assert played.watch.alive
        played.show(10.0, lambda: sensor(1))
        assert played.watch.fault == "camera black"
