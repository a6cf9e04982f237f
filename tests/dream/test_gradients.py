"""Gradients of a mix: what is still being opened is left out, what cannot run is disabled and named."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.dream.gradients import Gradients
from livedream.dream.targets import Target
from livedream.errors import BackendError, MissingPackageError
from livedream.runtimes.base import Step

SIZES = [(90, 160), (60, 100), (48, 64)]
A, B = Target("net", "a"), Target("net", "b")


class FakeBackend:
    """Gives each layer's value; ``not_open`` are pairs of a layer and a size (width, height)."""

    name, message = "Fake", ""

    def __init__(self, **values):
        self.values, self.not_open, self.asked, self.dropped = values, set(), [], []

    def gradient(self, image, layer, objective):
        value = self.values[layer]
        if isinstance(value, Exception):
            raise value
        return Step(np.full_like(image, value), 1.0, np.ones(3))

    def opening(self, layer, size, objective):
        self.asked.append(size)
        return (layer, size) in self.not_open

    def prepare(self, layer, size, objective):
        self.asked.append(size)

    def drop(self, reason):
        self.dropped.append(reason)
        return len(self.dropped) == 1


@pytest.fixture
def backend():
    return FakeBackend(a=1.0, b=3.0)


@pytest.fixture
def gradients(backend):
    made = Gradients()
    made.backends["net"] = backend
    return made


def opening(backend, layer, *octaves):
    backend.not_open |= {(layer, SIZES[n][::-1]) for n in octaves}


def test_a_direction_is_the_weighted_sum(gradients):
    image = np.zeros((4, 5, 3), np.float32)
    np.testing.assert_allclose(gradients.direction(image, {A: 0.25, B: 0.75}), 2.5)
    np.testing.assert_allclose(gradients.direction(image, {B: 1.0}), 3.0)


def test_what_is_there_is_dreamt_at_every_octave(gradients):
    mix = {A: 0.25, B: 0.75}
    assert gradients.at_once(mix, SIZES) == (mix, [0, 1, 2])


def test_a_layer_that_is_not_there_at_every_octave_leaves_the_dream_to_the_others(gradients, backend):
    opening(backend, "b", 1)
    assert gradients.at_once({A: 0.25, B: 0.75}, SIZES) == ({A: 1.0}, [0, 1, 2])


def test_what_was_dreamt_before_goes_on_until_the_new_is_there(gradients, backend):
    assert gradients.at_once({A: 1.0}, SIZES) == ({A: 1.0}, [0, 1, 2])
    opening(backend, "b", 0, 1)
    assert gradients.at_once({B: 1.0}, SIZES) == ({A: 1.0}, [0, 1, 2])
    opening(backend, "a", 2)  # another size: the old is not there either
    assert gradients.at_once({B: 1.0}, SIZES) == ({B: 1.0}, [2])
    backend.not_open.clear()
    assert gradients.at_once({B: 1.0}, SIZES) == ({B: 1.0}, [0, 1, 2])


def test_at_the_start_the_octaves_that_are_there_are_dreamt(gradients, backend):
    opening(backend, "a", 0)
    opening(backend, "b", 1)
    assert gradients.at_once({A: 0.5, B: 0.5}, SIZES) == ({A: 0.5, B: 0.5}, [2])


def test_without_anything_the_smallest_octave_is_waited_for(gradients, backend):
    opening(backend, "a", 0, 1, 2)
    assert gradients.at_once({A: 1.0}, SIZES) == ({}, [2])
    assert backend.asked == [(160, 90), (100, 60), (64, 48)]  # the last is opened first


def test_what_cannot_run_is_a_fault_and_left_out(gradients, backend):
    backend.values["b"] = MissingPackageError("dreaming net needs PyTorch")
    with pytest.raises(MissingPackageError):
        gradients.direction(np.zeros((4, 5, 3), np.float32), {A: 0.5, B: 0.5})
    assert gradients.faults == {("net", "b"): "dreaming net needs PyTorch"}
    assert gradients.without_faults({A: 0.5, B: 0.5}) == {A: 1.0}
    assert gradients.without_faults({B: 1.0}) == {}


def test_nan_costs_the_runtime_first_and_then_the_layer(gradients, backend):
    backend.values["b"] = np.nan
    image = np.zeros((4, 5, 3), np.float32)
    gradients.find_faults(image, {A: 0.5, B: 0.5})
    assert backend.dropped == ["it produced NaN"]
    assert not gradients.faults
    gradients.find_faults(image, {A: 0.5, B: 0.5})
    assert list(gradients.faults) == [("net", "b")]
    assert gradients.faults["net", "b"].startswith("net b produces NaN")


def test_a_backend_that_fails_is_named(gradients, backend):
    backend.values["a"] = BackendError("no units")
    with pytest.raises(BackendError, match="no units"):
        gradients.step(A, np.zeros((4, 5, 3), np.float32))
    assert gradients.faults == {("net", "a"): "no units"}
