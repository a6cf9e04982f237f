"""Presence: people count, light does not. With recorded footage, and a synthetic room in changing light."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from livedream.vision.presence import PresenceDetector

Grey = np.ndarray
FPS = 15


def still_room() -> Grey:
    """A room seen by a camera: smooth walls, furniture with edges and texture; grey (90, 160)."""
    rng = np.random.default_rng(3)
    room = 120 + cv2.GaussianBlur(rng.normal(size=(90, 160)).astype(np.float32), (0, 0), 12) * 400
    cv2.rectangle(room, (10, 5), (50, 40), 60, -1)
    cv2.rectangle(room, (100, 30), (104, 80), 190, -1)
    room[60:] += cv2.GaussianBlur(rng.normal(size=(30, 160)).astype(np.float32), (0, 0), 1) * 60
    return np.clip(room, 20, 200)


def watched(
    frames: Callable[[float], Grey],
    seconds: float,
    noise: float = 2.0,
    detector: PresenceDetector | None = None,
) -> tuple[PresenceDetector, list[float]]:
    """A detector after ``seconds`` of noisy frames, and its presence at each of them."""
    rng = np.random.default_rng(0)
    detector, presences = detector or PresenceDetector(), []
    for n in range(int(seconds * FPS)):
        levels = frames(n / FPS)
        detector.see(np.clip(levels + rng.normal(0, noise, levels.shape), 0, 255).astype(np.uint8), n / FPS)
        presences.append(detector.presence)
    return detector, presences


@pytest.mark.parametrize("noise", [0.0, 3.0, 8.0])
def test_sensor_noise_is_not_a_visitor(noise):
    detector, presences = watched(lambda t: still_room(), 6, noise)
    assert max(presences) < 0.1
    assert detector.arrivals == 0


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
@pytest.mark.parametrize("within_s", [0.01, 0.7], ids=["suddenly", "gradually"])
def test_a_change_of_exposure_is_not_a_visitor(light, within_s):
    def exposed(t: float) -> Grey:
        weight = np.clip(((t - 3) % 8) / within_s, 0, 1) if (t > 3 and ((t - 3) // 4) % 2 == 0) else 0.0
        return (1 - weight) * still_room() + weight * light(still_room())

    detector, _ = watched(exposed, 12)
    assert detector.arrivals == 0


@pytest.mark.parametrize("bands", [0, 2, 3], ids=["as a whole", "in two bands", "in three bands"])
def test_a_flickering_lamp_is_not_a_visitor(bands):
    rows = np.arange(90)[:, None] / 90

    def flickering(t: float) -> Grey:
        return still_room() * (1 + 0.15 * np.sin(2 * np.pi * (rows * bands + 7.3 * t)))

    detector, presences = watched(flickering, 6)
    assert max(presences) < 0.1
    assert detector.arrivals == 0


def with_somebody(t: float, since: float, until: float, sway: float = 1.5) -> Grey:
    room = still_room()
    if since <= t < until:
        x = 75 + sway * np.sin(2 * t)
        cv2.ellipse(room, ((x, 60), (26, 70), 0), 35, -1)
        cv2.ellipse(room, ((x, 22), (14, 18), 0), 160, -1)
    return room


def test_an_arrival_is_noticed_within_half_a_second_and_a_departure_within_six():
    detector, presences = watched(lambda t: with_somebody(t, 5, 12), 20)
    there = np.array(presences) > 0.6
    assert not there[: 5 * FPS].any()
    assert there[int(5.5 * FPS) : 12 * FPS].all()
    assert not there[18 * FPS :].any()
    assert not detector.somebody
    assert detector.arrivals == 1


def test_a_visitor_who_hardly_moves_stays_present():
    detector, presences = watched(lambda t: with_somebody(t, 3, 999, sway=0.7), 45)
    assert min(presences[5 * FPS :]) > 0.9
    assert detector.arrivals == 1


def test_a_new_chair_becomes_background():
    def chair(t: float) -> Grey:
        return with_somebody(t, 5, 999, sway=0.0)

    detector, presences = watched(chair, 45)
    assert max(presences[6 * FPS : 10 * FPS]) > 0.9
    assert presences[-1] < 0.25
    assert detector.in_front is not None
    assert detector.in_front.max() < 0.2


def test_a_cut_to_another_scene_is_not_a_visitor():
    other = cv2.flip(still_room(), -1)[:, ::-1] * 0.8 + 30 * (np.indices((90, 160)).sum(0) % 20 > 10)
    detector, _ = watched(lambda t: still_room() if t < 4 else other, 10)
    assert detector.arrivals == 0


def test_the_masks_are_soft_and_cover_the_visitor():
    detector, _ = watched(lambda t: with_somebody(t, 3, 999), 6)
    assert detector.in_front is not None
    assert detector.moving is not None
    assert detector.in_front[60, 75] > 0.9
    assert detector.in_front[60, 140] < 0.05
    assert detector.moving[60, 130] < 0.05
    for mask in (detector.in_front, detector.moving):
        assert np.abs(np.diff(mask, axis=0)).max() < 0.25
        assert np.abs(np.diff(mask, axis=1)).max() < 0.25


def test_who_stands_moves_less_than_who_walks_and_where_nobody_is_nothing_counts_as_still():
    def walking(t: float) -> Grey:
        return with_somebody(t, 3, 999, sway=0.0 if t < 8 else 40.0)

    assert PresenceDetector().motion == 1.0
    standing, _ = watched(walking, 8)
    assert standing.motion < 0.2
    moving, _ = watched(walking, 11)
    assert moving.motion > 0.6


def test_the_mask_of_a_moving_visitor_does_not_flicker():
    detector = PresenceDetector()
    before, steps = None, []
    for n in range(6 * FPS):
        detector.see(with_somebody(n / FPS, 1, 999, sway=4.0).astype(np.uint8), n / FPS)
        if n > 3 * FPS and before is not None:
            steps.append(np.abs(detector.in_front - before).mean())
        before = detector.in_front
    assert max(steps) < 0.02


@pytest.mark.shared
def test_people_walking_in_and_out_are_detected(shared):
    video = cv2.VideoCapture(str(shared / "video" / "people_walking.mp4"))
    fps, detector, somebody = video.get(cv2.CAP_PROP_FPS), PresenceDetector(), []
    while True:
        ok, image = video.read()
        if not ok:
            break
        detector.see(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), len(somebody) / fps)
        somebody.append(detector.somebody)
    video.release()

    def during(start_s: float, end_s: float) -> list[bool]:
        return somebody[int(start_s * fps) : int(end_s * fps)]

    assert not any(during(0, 5.5))  # the empty room
    assert all(during(6.5, 19.5))  # the woman in grey comes, stands and goes
    assert all(during(23.5, 44.5))  # the man in black
    assert not any(during(49.8, 50.0))  # five seconds after he has gone
    assert all(during(51, 69))  # the woman in black
    assert detector.arrivals <= 3


@pytest.mark.shared
@pytest.mark.parametrize("gain", [0.5, 1.6])
def test_exposure_jumps_in_a_real_empty_room_are_not_a_visitor(shared, gain):
    video = cv2.VideoCapture(str(shared / "video" / "people_walking.mp4"))
    frames = [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(50)]
    video.release()
    small = [cv2.resize(p, (320, 180), interpolation=cv2.INTER_AREA).astype(np.float32) for p in frames]
    detector, _ = watched(lambda t: small[int(t * FPS) % 50] * (gain if t % 6 > 3 else 1.0), 18)
    assert detector.arrivals == 0
