"""What fails in a tick: survived, said once, counted, mended, and never shown."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.dream import dreamer as dreamer_module
from livedream.dream import gradients as gradients_module
from livedream.dream.care import Care, HopelessError
from livedream.dream.dreamer import Dreamer
from livedream.dream.gradients import Gradients
from livedream.dream.targets import Target
from livedream.errors import BackendError, DeviceLostError, MissingPackageError, OutOfMemoryError
from livedream.ipc.heartbeat import LEAST_S, UNKNOWN_S, Heartbeat
from livedream.networks.objective import Objective
from livedream.runtimes import device_errors
from livedream.runtimes.base import Step
from livedream.runtimes.device_errors import is_out_of_memory
from livedream.settings import Settings

GOOD = np.random.default_rng(0).normal(size=(18, 32, 3)).astype(np.float32)
FLAT = np.full((18, 32, 3), 3.0, np.float32)
NAN = np.where(np.arange(32)[None, :, None] == 5, np.float32(np.nan), GOOD)


class FakeDreamer:
    """Is reset, makes room, and looks for what is dead."""

    def __init__(self) -> None:
        self.device_name, self.dreaming, self.dead = "cpu", True, True
        self.gradients_zero = False
        self.resets = self.rooms = self.looks = 0

    def reset(self) -> None:
        self.resets += 1

    def make_room(self) -> None:
        self.rooms += 1

    def find_dead(self) -> bool:
        self.looks += 1
        return self.dead


class Ticks:
    """Ticks every 50 ms, whose result is the test's."""

    def __init__(self) -> None:
        self.dreamer = FakeDreamer()
        self.care = Care(self.dreamer)
        self.now = 100.0

    def run(self, result, count: int = 1) -> list:
        def tick():
            if isinstance(result, Exception):
                raise result
            return result

        found = []
        for _ in range(count):
            self.now += 0.05
            found.append(self.care.tick(tick, self.now, 640))
        return found


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


def test_a_good_tick_is_shown(ticks):
    assert ticks.run(GOOD)[0] is GOOD
    assert (ticks.care.message, dict(ticks.care.faults)) == ("", {})


def test_a_missing_package_ends_a_dream_that_never_was_and_no_other(ticks):
    assert ticks.run(MissingPackageError("needs PyTorch")) == [None]
    ticks.dreamer.dreaming = False
    with pytest.raises(MissingPackageError):
        ticks.run(MissingPackageError("needs PyTorch"))


def test_an_exception_is_survived_said_once_and_counted(ticks, caplog):
    assert ticks.run(ValueError("wrong"), 15) == [None] * 15
    assert ticks.care.message == "a tick failed: ValueError: wrong"
    ticks.run(GOOD)
    ticks.run(ValueError("wrong"))
    assert caplog.text.count("a tick failed: ValueError: wrong") == 1
    assert "Traceback" in caplog.text  # where it happened
    assert dict(ticks.care.faults) == {"dream tick failed": 16}
    assert ticks.dreamer.resets == 0
    assert ticks.run(GOOD)[0] is GOOD
    assert ticks.care.message == ""


def test_a_fault_that_comes_back_after_a_quiet_minute_is_said_again(ticks, caplog):
    for _ in range(2):
        ticks.run(ValueError("wrong"))
        ticks.now += 61.0
        ticks.run(GOOD)
    assert caplog.text.count("a tick failed: ValueError: wrong") == 2


def test_ticks_that_go_on_failing_begin_the_dream_anew_and_then_the_process(ticks):
    ticks.run(ValueError("wrong"), 25)
    assert ticks.dreamer.resets == 1
    with pytest.raises(HopelessError, match="nothing but failing ticks for 10 s: a tick failed: ValueError"):
        ticks.run(ValueError("wrong"), 200)


def test_nan_is_not_shown_and_the_dream_begins_anew_at_once(ticks, caplog):
    assert ticks.run(NAN) == [None]
    assert ticks.dreamer.resets == 1
    assert ticks.run(GOOD)[0] is GOOD
    assert dict(ticks.care.faults) == {"dream NaN": 1}
    assert caplog.text.count("the dream became NaN; it begins anew") == 1


def test_nothing_but_nan_ends_the_process(ticks, caplog):
    with pytest.raises(HopelessError):
        ticks.run(NAN, 300)
    assert caplog.text.count("the dream became NaN") == 1


def test_a_flat_dream_is_not_shown_and_begins_anew_within_a_second(ticks):
    ticks.run(GOOD, 5)
    assert ticks.run(FLAT, 20) == [None] * 20
    assert ticks.dreamer.resets == 1
    assert dict(ticks.care.faults) == {"dream flat": 1}


def test_a_dream_that_only_fades_is_shown_until_it_begins_anew(ticks):
    ticks.dreamer.gradients_zero = True
    assert all(found is GOOD for found in ticks.run(GOOD, 15))
    assert ticks.dreamer.resets == 1
    assert dict(ticks.care.faults) == {"dream flat": 1}


def test_ticks_without_steps_say_nothing_in_between(ticks):
    for dreaming in (True, False) * 12:
        ticks.dreamer.dreaming = ticks.dreamer.gradients_zero = dreaming
        ticks.run(GOOD)
    assert ticks.dreamer.resets == 1


def test_a_dream_that_is_rightly_flat_is_shown(ticks):
    ticks.dreamer.dead = False
    found = ticks.run(FLAT, 40)
    assert found[0] is None
    assert found[-1] is FLAT
    assert (ticks.dreamer.looks, ticks.dreamer.resets, dict(ticks.care.faults)) == (1, 0, {})


def test_a_dream_without_steps_may_be_flat(ticks):
    ticks.dreamer.dreaming = False
    assert ticks.run(FLAT, 40)[0] is FLAT
    assert ticks.dreamer.looks == 0


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("cuda:0: CUDA out of memory."),
        RuntimeError("std::bad_alloc"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
        BackendError("it stopped running: Failed to allocate memory for requested buffer of size 9"),
        cv2.error("OpenCV: (-4:Insufficient memory) Failed to allocate 99 bytes"),
    ],
)
def test_out_of_memory_makes_room_and_dreams_one_size_smaller(ticks, error):
    assert is_out_of_memory(error)
    assert ticks.run(error) == [None]
    assert ticks.dreamer.rooms == 1
    assert ticks.care.ceiling.px == 512
    ticks.run(GOOD)
    assert ticks.care.message == "out of memory at 640 px; dreaming at 512 px for a while"
    assert dict(ticks.care.faults) == {"dream out of memory": 1}
    ticks.now += 61.0
    ticks.run(GOOD)
    assert ticks.care.ceiling.px == 640


@pytest.mark.full
def test_a_device_that_works_no_more_ends_the_process_at_once(ticks, monkeypatch):
    ticks.dreamer.device_name = "cuda:0"
    monkeypatch.setattr(device_errors, "works", lambda device: False)
    with pytest.raises(DeviceLostError, match="cuda:0 failed: CUDA error: an illegal memory access"):
        ticks.run(RuntimeError("CUDA error: an illegal memory access was encountered"))


@pytest.mark.full
def test_a_device_that_still_works_is_no_reason_to_end(ticks, monkeypatch):
    ticks.dreamer.device_name = "cuda:0"
    monkeypatch.setattr(device_errors, "works", lambda device: True)
    assert ticks.run(RuntimeError("something else")) == [None]


class DeadBackend:
    """Gives nothing, until it is dropped."""

    def __init__(self, spare: bool) -> None:
        self.spare, self.dropped = spare, 0

    def gradient(self, image, layer: str, objective: Objective) -> Step:
        dead = not self.dropped
        return Step(np.zeros_like(image) if dead else np.ones_like(image), 0.0, np.zeros(1))

    def drop(self, reason: str) -> bool:
        assert reason == "it gave no gradient"
        self.dropped += self.spare
        return self.spare


def test_a_runtime_that_gives_no_gradient_is_dropped_and_a_layer_when_it_was_the_last():
    mix = {Target("dreamnet", "parts", (3,)): 1.0}
    for spare, fault in ((True, ""), (False, "dreamnet parts gives no gradient; its weights may be damaged")):
        gradients = Gradients()
        gradients.backends["dreamnet"] = DeadBackend(spare)
        assert gradients.find_dead(mix)
        assert gradients.faults.get(("dreamnet", "parts"), "") == fault
    gradients.backends["dreamnet"].dropped = 1
    assert not gradients.find_dead(mix)


def test_a_real_dreamer_survives_nan_in_its_state(picture):
    dreamer = Dreamer("dreamnet", device="cpu", backend="openvino", wait=True)
    care = Care(dreamer)

    settings = Settings(layer="edges", working_px=128)

    def tick(n: int):
        return care.tick(lambda: dreamer.tick(picture, settings, time_s=n / 20), n / 20, 128)

    assert np.ptp(tick(0)) > 0
    assert dreamer.dreaming
    runs_on = dreamer.backend.name
    dreamer._feedback.residual[3, 3] = np.nan
    assert tick(1) is None
    assert dreamer.backend.name == runs_on  # which is not to blame
    after = tick(2)
    assert np.isfinite(after).all()
    assert np.ptp(after) > 0
    dreamer.make_room()
    assert np.ptp(tick(3)) > 0
    assert not dreamer.find_dead()
    dreamer.close()


def test_each_step_of_a_tick_is_a_sign_of_life_and_a_new_size_has_time(picture, monkeypatch):
    now, told = [0.0], []
    heart = Heartbeat(lambda: now[0])
    heart.listen(lambda beats, patience_s: told.append(patience_s))
    for module in (gradients_module, dreamer_module):
        monkeypatch.setattr(module, "heartbeat", heart)
    dreamer = Dreamer("dreamnet", device="cpu", backend="openvino", wait=True)
    step = Gradients.step

    def slow(self, target, image):
        found = step(self, target, image)
        now[0] += 3.0  # on a slow core
        return found

    monkeypatch.setattr(Gradients, "step", slow)
    settings = Settings(layer="edges", working_px=128, octaves=1, steps=5)
    for n in range(3):
        dreamer.tick(picture, settings, time_s=n / 20)
    beats = heart.beats
    dreamer.tick(picture, settings, time_s=3 / 20)
    assert heart.beats - beats >= 5
    assert told[0] == UNKNOWN_S
    assert heart.patience_s == LEAST_S  # what comes after the last step is quick
    assert 12.0 in told  # a step may take four times as long as the slowest so far
    dreamer.tick(picture, settings.replace(working_px=160), time_s=4 / 20)
    assert told.count(UNKNOWN_S) > 1
    dreamer.close()
