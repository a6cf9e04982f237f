"""A dream on a device is the dream of the host."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from livedream.dream import device_motion
from livedream.dream import dreamer as dreamer_module
from livedream.dream.device import DeviceDream
from livedream.dream.device_dreamer import DeviceDreamer
from livedream.dream.device_motion import Motion
from livedream.dream.dreamer import Dreamer
from livedream.dream.graphics import Graphics
from livedream.errors import BackendError, OutOfMemoryError
from livedream.frame import resize
from livedream.runtimes import device_errors
from livedream.runtimes.cuda_graphs import Recorded
from livedream.runtimes.device_errors import DeviceLostError
from tests.dream.fake_device import DEVICE, SETTINGS, SIZE, FakeBackend, film


@pytest.fixture
def dreamers(monkeypatch):
    """Makes a dreamer on the host, or on the device, each with a backend of its own."""
    monkeypatch.setattr(dreamer_module, "open_backend", lambda *args, **options: FakeBackend())

    def make(on_device, wait=True, **options):
        dreamer = Dreamer("dreamnet", wait=wait)
        backend = dreamer._gradients.backends["dreamnet"]
        if on_device:
            dreamer.graphics = Graphics(
                dreamer._gradients, wait, lambda b, g, w: DeviceDreamer(DEVICE, g, w, **options)
            )
        else:
            backend.device_name = "cpu"
        return dreamer, backend

    return make


def compare(dreamers, changes, frames=None, *, period_s=1 / 50, **options):
    """Both dreams over a film. Where a rounded value nearly ties, one in 255, a pixel may differ."""
    (host, _), (device, _) = dreamers(False), dreamers(True, **options)
    for n, frame in enumerate(film() if frames is None else frames):
        settings = SETTINGS.replace(**(changes(n) if callable(changes) else changes))
        expected = host.tick(frame, settings, time_s=n * period_s)
        found = device.tick(frame, settings, time_s=n * period_s)
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        assert np.abs(expected).mean() > 1
        assert np.mean(np.abs(found - expected) > 0.05) < 0.01, f"tick {n}"
        assert np.mean(np.abs(found - expected)) < 0.01, f"tick {n}"


@pytest.mark.parametrize("shaping", ["none", "smooth", "laplacian", "colour"])
def test_it_dreams_the_same_however_gradients_are_shaped(dreamers, shaping):
    compare(dreamers, {"gradient_shaping": shaping})


@pytest.mark.parametrize(
    "changes",
    [
        {"jitter": 0, "steps": 1},
        {"steps": 5, "octaves": 4},
        {"octave_scale": 2.7},
        {"octave_scale": 1.3},
        {"layer": "edges:0.6,parts:0.4"},
        {"layer": "edges"},
        {"residual_limit": 10.0, "step_size": 8.0},
        {"momentum_s": 0.0, "attack": 1.0},
        {"zoom": 8.0, "spin": 30.0, "pan_x": -20.0},
        {"feedback": 0.6, "zoom": 4.0},
        {"channels": "3"},
    ],
    ids=lambda changes: ",".join(f"{name}={value}" for name, value in changes.items()),
)
def test_it_dreams_the_same_with_any_settings(dreamers, changes):
    compare(dreamers, changes)


def test_it_dreams_the_same_while_the_target_fades(dreamers):
    layers = ("edges", "edges", "parts", "parts", "parts")
    compare(dreamers, lambda n: {"layer": layers[min(n, 4)], "crossfade_s": 0.05})


def test_a_scene_begins_there_as_on_the_host_and_nothing_is_made_anew(dreamers):
    (host, _), (device, _) = dreamers(False), dreamers(True)
    frames = list(film())
    for n, frame in enumerate([*frames, *frames]):
        if n == len(frames):
            made = device.graphics._dreamer
            host.begin_scene()
            device.begin_scene()
        expected = host.tick(frame, SETTINGS, time_s=n / 50)
        found = device.tick(frame, SETTINGS, time_s=n / 50)
        assert np.mean(np.abs(found - expected)) < 0.01, f"tick {n}"
    assert device.graphics._dreamer is made


def test_it_dreams_the_same_while_words_fade(dreamers):
    words = ("", "castle", "castle", "daisy, birds")
    compare(dreamers, lambda n: {"dream_of": words[min(n, 3)], "crossfade_s": 0.1})


def test_it_dreams_the_same_at_a_low_rate(dreamers):
    compare(dreamers, {}, period_s=0.21)


def test_it_dreams_the_same_when_steps_are_switched_off_and_on(dreamers):
    compare(dreamers, lambda n: {"steps": 0 if n in (3, 4) else 2})


def test_it_dreams_the_same_in_the_dark_and_in_noise(dreamers):
    rng = np.random.default_rng(4)
    frames = [
        np.clip(frame // 5 + rng.normal(0, 4, frame.shape), 0, 255).astype(np.uint8) for frame in film()
    ]
    compare(dreamers, {}, frames)


def test_it_dreams_the_same_of_a_visitor(dreamers):
    """A room that stays empty for six seconds, then somebody who walks through it."""
    room = next(film())
    frames = [room] * 30
    for right in range(0, 240, 30):
        frames.append(room.copy())
        frames[-1][40:, right : right + 40] = 30
    compare(dreamers, {"visitor_focus": 1.0}, frames, period_s=0.2)


def test_it_carries_the_dream_to_another_size(dreamers):
    compare(dreamers, lambda n: {"working_px": 240 if n < 3 else 192})


@pytest.mark.parametrize("size", [SIZE, (98, 176)])
@pytest.mark.parametrize("dark", [1.0, 0.2])
def test_it_carries_on_a_dream_from_elsewhere(dreamers, size, dark):
    rng, (height, width) = np.random.default_rng(1), size
    residual = cv2.GaussianBlur(rng.normal(size=(height, width, 3)).astype(np.float32), (0, 0), 3) * 60
    frames = [np.asarray(frame * dark, np.uint8) for frame in film()]
    found = []
    for on_device in (False, True):
        dreamer, _ = dreamers(on_device)
        dreamer.seed(resize(frames[0], width, height), residual)
        found.append([dreamer.tick(frame, SETTINGS, time_s=n / 50) for n, frame in enumerate(frames[1:])])
    assert found[0][0].std() > 0.7 * residual.std()
    for host, device in zip(*found, strict=True):
        assert np.abs(host - device).max() < 0.06 * host.std()


def test_sizes_that_were_used_before_are_not_recorded_again(dreamers):
    captured = []

    def capture(function, written):
        captured.append(function)
        return function

    sizes = (240, 240, 192, 240, 240, 192, 192, 240)
    dream = DeviceDream(DEVICE, recorded=Recorded(DEVICE, capture))
    # With one octave every tick takes the same steps.
    compare(dreamers, lambda n: {"working_px": sizes[n], "octaves": 1}, dream=dream, period_s=1 / 30)
    assert len(captured) == 2 * len(("beginning", "step", "end"))


def test_it_dreams_the_same_when_ticks_are_recorded(dreamers):
    dream = DeviceDream(DEVICE, recorded=Recorded(DEVICE, pretended_capture))
    compare(dreamers, lambda n: {"steps": 2 + n % 2}, dream=dream)
    assert dream.recording


def test_the_hud_shows_what_runs_on_the_device(dreamers):
    for recorded, words in ((None, "fake, whole tick"), (pretended_capture, "fake, CUDA graph of the tick")):
        device, backend = dreamers(True, dream=DeviceDream(DEVICE, recorded=Recorded(DEVICE, recorded)))
        assert device.graphics.words(backend.name) == "fake"
        device.tick(next(film()), SETTINGS)
        assert device.graphics.words(backend.name) == words


def pretended_capture(function, written):
    """Runs the function first and restores what it wrote, as the capture of a CUDA graph does."""
    kept = [tensor.clone() for tensor in written]
    for _ in range(3):
        function()
    for tensor, before in zip(written, kept, strict=True):
        tensor.copy_(before)
    return function


def test_each_part_of_a_tick_is_recorded_once(dreamers):
    captured = []

    def capture(function, written):
        captured.append(function)
        return function

    device, _ = dreamers(True, dream=DeviceDream(DEVICE, recorded=Recorded(DEVICE, capture)))
    for n, frame in enumerate(film(9)):
        # With one octave every tick takes the same steps.
        settings = SETTINGS.replace(octaves=1, steps=3, attack=1.0 + n, step_size=1.0 + n)
        device.tick(frame, settings, time_s=n / 30)
    assert len(captured) == len(("beginning", "step", "end"))


def test_other_channels_need_no_new_recording(dreamers):
    captured = []

    def capture(function, written):
        captured.append(function)
        return function

    channels = ("", "3", "3,5", "", "1", "1", "2,3", "4")
    dream = DeviceDream(DEVICE, recorded=Recorded(DEVICE, capture))
    changes = {"octaves": 1, "crossfade_s": 0.0}
    compare(dreamers, lambda n: {"channels": channels[n], **changes}, dream=dream, period_s=1 / 30)
    assert len(captured) == len(("beginning", "step", "end"))


def test_what_is_wanted_drifts_on_the_device_too_without_a_new_recording(dreamers):
    captured = []

    def capture(function, written):
        captured.append(function)
        return function

    dream = DeviceDream(DEVICE, recorded=Recorded(DEVICE, capture))
    still = [next(film())] * 9
    compare(dreamers, {"octaves": 1, "drift": 1.0}, still, dream=dream, period_s=0.4)
    assert len(captured) == len(("beginning", "step", "end", "end of the first tick, which is shorter"))


def test_ticks_of_odd_lengths_are_of_few_parts(dreamers):
    """However a round of octaves is cut, its parts are those that there were."""
    captured = []

    def capture(function, written):
        captured.append(function)
        return function

    device, _ = dreamers(True, dream=DeviceDream(DEVICE, recorded=Recorded(DEVICE, capture)))
    lengths, time_s = np.random.default_rng(1).uniform(0.005, 0.4, 60), 0.0
    for length_s in lengths:
        time_s += float(length_s)
        device.tick(next(film()), SETTINGS, time_s=time_s)
    # One beginning, a step at each of three octaves, ends with 1, 2, 4, 8 and 16 pulls.
    assert len(captured) <= 9


def test_motion_is_found_in_a_smaller_copy_of_large_pictures(dreamers, monkeypatch):
    monkeypatch.setattr(device_motion, "_FULL_SIZE_PX", 200)
    host, device = Motion(), DeviceDream(DEVICE)
    for n, frame in enumerate(film(5)):
        move = host.follow(frame, SETTINGS, 0.02)
        device.follow(frame, SETTINGS, 0.02)
        residual, finite = device.start([], [], SETTINGS, 0.02)()
        assert residual.shape == (*SIZE, 3)
        assert finite
        assert move.maps.shape == (7, SIZE[0] // 2, SIZE[1] // 2)
        if n:
            right, down = (np.median(flow[10:-10, 10:-10]) for flow in move.maps[:2])
            assert right == pytest.approx(2, abs=0.4)  # in pixels of the whole picture
            assert down == pytest.approx(1, abs=0.4)


def test_what_is_not_finite_is_not_taken_over(dreamers):
    device, backend = dreamers(True)
    frames = list(film(5))
    for n in range(2):
        before = device.tick(frames[0], SETTINGS, time_s=n / 50)
    backend.finite = False
    found = device.tick(frames[0], SETTINGS, time_s=2 / 50)
    assert np.isfinite(found).all()
    assert np.abs(found - before).mean() < 0.1 * np.abs(before).mean()
    assert ("dreamnet", "patterns") in device.faults
    assert "patterns produces NaN" in device.faults["dreamnet", "patterns"]
    backend.finite = True
    device.faults.clear()
    assert np.isfinite(device.tick(frames[0], SETTINGS, time_s=3 / 50)).all()
    assert ("dreamnet", "patterns") in device.sound


def test_a_tick_that_does_not_fit_is_taken_over_by_the_host(dreamers, caplog):
    device, backend = dreamers(True)
    frame = next(film())
    for n in range(4):
        before = device.tick(frame, SETTINGS, time_s=n / 50)
    backend.fails = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nTry this or that.")
    monkeypatched = backend._direction

    def once(*args):
        backend.fails, error = None, backend.fails
        if error is not None:
            raise error
        return monkeypatched(*args)

    backend._direction = once
    found = device.tick(frame, SETTINGS, time_s=4 / 50)
    assert np.abs(found).mean() > 0.8 * np.abs(before).mean()  # no blank picture
    assert device.graphics.message.startswith(
        f"{DEVICE} cannot run the tick: CUDA out of memory. Tried to allocate 2 GiB"
    )
    assert device.graphics.message.endswith("; the tick runs on the CPU")
    assert "the host takes over" in caplog.text
    assert np.isfinite(device.tick(frame, SETTINGS, time_s=5 / 50)).all()


def test_a_tick_that_does_not_fit_is_tried_smaller_where_nobody_waits(dreamers):
    device, backend = dreamers(True, wait=False)
    frame = next(film())
    for n in range(4):
        before = device.tick(frame, SETTINGS, time_s=n / 50)
    backend.fails = torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(OutOfMemoryError, match="CUDA out of memory"):
        device.tick(frame, SETTINGS, time_s=4 / 50)
    backend.fails = None
    assert device.graphics.enabled
    smaller = device.tick(frame, SETTINGS.replace(working_px=192), time_s=5 / 50)
    assert smaller.shape[1] == 192
    assert np.abs(smaller).mean() > 0.5 * np.abs(before).mean()  # it goes on


def test_a_device_that_fails_for_good_ends_the_dream(dreamers, monkeypatch):
    device, backend = dreamers(True)
    frame = next(film())
    device.tick(frame, SETTINGS, time_s=0.0)
    backend.fails = RuntimeError(
        "CUDA error: an illegal memory access was encountered\nCUDA kernel errors ..."
    )
    monkeypatch.setattr(device_errors, "works", lambda device: False)
    with pytest.raises(
        DeviceLostError, match=rf"^{DEVICE} failed: CUDA error: an illegal memory access was encountered$"
    ):
        device.tick(frame, SETTINGS, time_s=0.02)


@pytest.mark.parametrize("wait", [True, False])
def test_a_layer_that_cannot_be_run_is_a_fault_and_no_failure_of_the_device(dreamers, monkeypatch, wait):
    device, backend = dreamers(True, wait=wait)
    frame = next(film())
    device.tick(frame, SETTINGS, time_s=0.0)

    def refuse(layer, size, objective):
        raise BackendError("patterns cannot be run")

    backend.on_device = refuse
    if wait:
        with pytest.raises(BackendError, match="patterns cannot be run"):
            device.tick(frame, SETTINGS, time_s=0.02)
    else:
        assert np.isfinite(device.tick(frame, SETTINGS, time_s=0.02)).all()
    assert device.faults == {("dreamnet", "patterns"): "patterns cannot be run"}
    assert device.graphics.message == ""


@pytest.mark.gpu
def test_a_gpu_dreams_what_the_host_dreams(dreamers):
    compare(dreamers, {"layer": "edges:0.6,parts:0.4"}, dream=DeviceDream(torch.device("cuda")))
