"""Presence: people count, light does not. On recorded footage, and on a still room in changing light."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from livedream.vision.presence import PresenceDetector

Grey = np.ndarray
FPS = 15


def still_room() -> Grey:
    """A room as a camera sees it: smooth walls, some furniture with edges and texture; grey (90, 160)."""
    rng = np.random.default_rng(3)
    room = 120 + cv2.GaussianBlur(rng.normal(size=(90, 160)).astype(np.float32), (0, 0), 12) * 400
    cv2.rectangle(room, (10, 5), (50, 40), 60, -1)
    cv2.rectangle(room, (100, 30), (104, 80), 190, -1)
    room[60:] += cv2.GaussianBlur(rng.normal(size=(30, 160)).astype(np.float32), (0, 0), 1) * 60
    return np.clip(room, 20, 200)


def watched(
    pictures: Callable[[float], Grey],
    seconds: float,
    noise: float = 2.0,
    room: PresenceDetector | None = None,
) -> tuple[PresenceDetector, list[float]]:
    """A room after ``seconds`` of pictures with a sensor's noise, and its presence at each."""
    rng = np.random.default_rng(0)
    room, presences = room or PresenceDetector(), []
    for n in range(int(seconds * FPS)):
        levels = pictures(n / FPS)
        room.see(np.clip(levels + rng.normal(0, noise, levels.shape), 0, 255).astype(np.uint8), n / FPS)
        presences.append(room.presence)
    return room, presences


@pytest.mark.parametrize("noise", [0.0, 3.0, 8.0])
def test_the_noise_of_a_sensor_is_nobody(noise):
    room, presences = watched(lambda t: still_room(), 6, noise)
    assert max(presences) < 0.1
    assert room.arrivals == 0


@pytest.mark.parametrize(
    "light",
    [
        lambda x: 0.3 * x,
        lambda x: 0.6 * x,
        lambda x: 1.5 * x,
        lambda x: 2.0 * x,
        lambda x: x + 30,
        lambda x: 255 * (x / 255) ** 0.7,
        lambda x: 255 * (x / 255) ** 1.4,
    ],
    ids=["a third", "darker", "brighter", "double, clipped", "fog", "gamma 0.7", "gamma 1.4"],
)
@pytest.mark.parametrize("within_s", [0.01, 0.7], ids=["at once", "in a ramp"])
def test_a_change_of_exposure_is_nobody(light, within_s):
    def exposed(t: float) -> Grey:
        share = np.clip(((t - 3) % 8) / within_s, 0, 1) if (t > 3 and ((t - 3) // 4) % 2 == 0) else 0.0
        return (1 - share) * still_room() + share * light(still_room())

    room, _ = watched(exposed, 12)
    assert room.arrivals == 0


@pytest.mark.parametrize("bands", [0, 2, 3], ids=["as a whole", "in two bands", "in three bands"])
def test_a_flickering_lamp_is_nobody(bands):
    rows = np.arange(90)[:, None] / 90

    def flickering(t: float) -> Grey:
        return still_room() * (1 + 0.15 * np.sin(2 * np.pi * (rows * bands + 7.3 * t)))

    room, presences = watched(flickering, 6)
    assert max(presences) < 0.1
    assert room.arrivals == 0


def with_somebody(t: float, since: float, until: float, sway: float = 1.5) -> Grey:
    room = still_room()
    if since <= t < until:
        x = 75 + sway * np.sin(2 * t)
        cv2.ellipse(room, ((x, 60), (26, 70), 0), 35, -1)
        cv2.ellipse(room, ((x, 22), (14, 18), 0), 160, -1)
    return room


def test_somebody_is_seen_within_half_a_second_and_missed_within_six():
    room, presences = watched(lambda t: with_somebody(t, 5, 12), 20)
    there = np.array(presences) > 0.6
    assert not there[: 5 * FPS].any()
    assert there[int(5.5 * FPS) : 12 * FPS].all()
    assert not there[18 * FPS :].any()
    assert not room.somebody
    assert room.arrivals == 1


def test_who_stands_almost_still_for_long_stays():
    room, presences = watched(lambda t: with_somebody(t, 3, 999, sway=0.7), 45)
    assert min(presences[5 * FPS :]) > 0.9
    assert room.arrivals == 1


def test_a_chair_that_was_put_there_becomes_background():
    def chair(t: float) -> Grey:
        return with_somebody(t, 5, 999, sway=0.0)

    room, presences = watched(chair, 45)
    assert max(presences[6 * FPS : 10 * FPS]) > 0.9
    assert presences[-1] < 0.25
    assert room.in_front is not None
    assert room.in_front.max() < 0.2


def test_a_cut_to_another_place_is_nobody():
    other = cv2.flip(still_room(), -1)[:, ::-1] * 0.8 + 30 * (np.indices((90, 160)).sum(0) % 20 > 10)
    room, _ = watched(lambda t: still_room() if t < 4 else other, 10)
    assert room.arrivals == 0


def test_the_masks_are_soft_and_where_somebody_is():
    room, _ = watched(lambda t: with_somebody(t, 3, 999), 6)
    assert room.in_front is not None
    assert room.moving is not None
    assert room.in_front[60, 75] > 0.9
    assert room.in_front[60, 140] < 0.05
    assert room.moving[60, 130] < 0.05
    for mask in (room.in_front, room.moving):
        assert np.abs(np.diff(mask, axis=0)).max() < 0.25
        assert np.abs(np.diff(mask, axis=1)).max() < 0.25


def test_a_mask_does_not_flicker_on_somebody_who_waves():
    room = PresenceDetector()
    before, steps = None, []
    for n in range(6 * FPS):
        room.see(with_somebody(n / FPS, 1, 999, sway=4.0).astype(np.uint8), n / FPS)
        if n > 3 * FPS and before is not None:
            steps.append(np.abs(room.in_front - before).mean())
        before = room.in_front
    assert max(steps) < 0.02


@pytest.mark.shared
def test_people_who_walk_in_and_out_are_seen(shared):
    video = cv2.VideoCapture(str(shared / "video" / "people_walking.mp4"))
    fps, room, somebody = video.get(cv2.CAP_PROP_FPS), PresenceDetector(), []
    while True:
        ok, image = video.read()
        if not ok:
            break
        room.see(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), len(somebody) / fps)
        somebody.append(room.somebody)
    video.release()

    def during(start_s: float, end_s: float) -> list[bool]:
        return somebody[int(start_s * fps) : int(end_s * fps)]

    assert not any(during(0, 5.5))  # the empty room
    assert all(during(6.5, 19.5))  # the woman in grey comes, stands and goes
    assert all(during(23.5, 44.5))  # the man in black
    assert not any(during(49.8, 50.0))  # five seconds after he has gone
    assert all(during(51, 69))  # the woman in black
    assert room.arrivals <= 3


@pytest.mark.shared
@pytest.mark.parametrize("gain", [0.5, 1.6])
def test_exposure_jumps_of_a_real_empty_room_are_nobody(shared, gain):
    video = cv2.VideoCapture(str(shared / "video" / "people_walking.mp4"))
    pictures = [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(50)]
    video.release()
    small = [cv2.resize(p, (320, 180), interpolation=cv2.INTER_AREA).astype(np.float32) for p in pictures]
    room, _ = watched(lambda t: small[int(t * FPS) % 50] * (gain if t % 6 > 3 else 1.0), 18)
    assert room.arrivals == 0
