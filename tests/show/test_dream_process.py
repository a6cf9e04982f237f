"""Another network is loaded beside the dream; until it is there, the old one dreams on."""

from __future__ import annotations

import threading

import pytest

from livedream.errors import NetworkError
from livedream.settings import DreamSettings
from livedream.show.dream_process import _Loader, dream_threads
from livedream.timing import now_s

OLD = DreamSettings(network="dreamnet", layer="edges", channel=3)
NEW = DreamSettings(network="bvlc_googlenet", layer="inception_4c", channel=7)


class FakeDreamer:
    """Loads when the test lets it; counts how often it was asked to."""

    default_network = "dreamnet"

    def __init__(self, result: object) -> None:
        self.networks = ("dreamnet",)
        self.result = result
        self.loads = 0
        self.go = threading.Event()

    def load(self, name: str, weights: object) -> object:
        self.loads += 1
        assert self.go.wait(30)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def add_network(self, name: str, backend: object) -> None:
        self.networks = (*self.networks, name)


def followed(loader: _Loader, wanted: DreamSettings, until) -> DreamSettings:
    deadline = now_s() + 30
    while True:
        settings = loader.follow(wanted)
        if until():
            return settings
        assert now_s() < deadline


def test_the_old_network_dreams_on_until_the_new_one_is_there():
    dreamer = FakeDreamer("a backend")
    loader = _Loader(dreamer, {})
    assert loader.follow(OLD) == OLD
    for _ in range(5):
        now = loader.follow(NEW)
        assert (now.network, now.layer, now.channel) == ("dreamnet", "edges", 3)
        assert loader.message == "loading bvlc_googlenet"
    dreamer.go.set()
    assert followed(loader, NEW, lambda: "bvlc_googlenet" in dreamer.networks) == NEW
    assert dreamer.loads == 1
    assert loader.message == loader.error == ""


@pytest.mark.parametrize("error", [NetworkError("no weights; copy them"), RuntimeError("wrong hash")])
def test_a_network_that_cannot_be_had_is_tried_once_and_said(error):
    dreamer = FakeDreamer(error)
    dreamer.go.set()
    loader = _Loader(dreamer, {})
    loader.follow(OLD)
    now = followed(loader, NEW, lambda: loader.error)
    assert now.network == "dreamnet"
    assert str(error) in loader.error
    assert loader.failed == "bvlc_googlenet"
    for _ in range(20):
        loader.follow(NEW)
    assert dreamer.loads == 1
    loader.follow(OLD)
    assert loader.error == loader.failed == ""
    followed(loader, NEW, lambda: loader.error)
    assert dreamer.loads == 2  # asked for again, it is tried again


def test_one_core_is_left_for_the_picture():
    assert dream_threads() >= 1
