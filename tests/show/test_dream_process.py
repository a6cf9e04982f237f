"""Another network is loaded beside the dream; until it is there, the old one dreams on."""

from __future__ import annotations

import shutil
import threading

import cv2
import numpy as np
import pytest
import torch
from torchvision.models import squeezenet1_1

from livedream.dream.dreamer import Dreamer
from livedream.errors import NetworkError
from livedream.networks.catalogue import MODELS_DIR
from livedream.settings import DreamSettings
from livedream.show.dream_process import dream_threads
from livedream.show.loading import Loader
from livedream.timing import now_s

OLD = DreamSettings(network="dreamnet", layer="edges", channels="3")
NEW = DreamSettings(network="bvlc_googlenet", layer="inception_4c", channels="7")


class FakeDreamer:
    """Loads when the test lets it; counts how often it was asked to."""

    default_network = "dreamnet"

    def __init__(self, result: object) -> None:
        self.networks = ("dreamnet",)
        self.result = result
        self.loads = 0
        self.guides: dict[str, object] = {}
        self.go = threading.Event()

    def load(self, name: str, weights: object) -> object:
        self.loads += 1
        assert self.go.wait(30)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def has_guide(self, path: str) -> bool:
        return path in self.guides

    def add_guide(self, path: str, picture: object) -> None:
        self.guides[path] = picture

    def add_network(self, name: str, backend: object) -> None:
        self.networks = (*self.networks, name)


def followed(loader: Loader, wanted: DreamSettings, until) -> DreamSettings:
    deadline = now_s() + 30
    while True:
        settings = loader.follow(wanted)
        if until():
            return settings
        assert now_s() < deadline


def test_the_old_network_dreams_on_until_the_new_one_is_there():
    dreamer = FakeDreamer("a backend")
    loader = Loader(dreamer, {})
    assert loader.follow(OLD) == OLD
    for _ in range(5):
        now = loader.follow(NEW)
        assert (now.network, now.layer, now.channels) == ("dreamnet", "edges", "3")
        assert loader.message == "loading bvlc_googlenet"
    dreamer.go.set()
    assert followed(loader, NEW, lambda: "bvlc_googlenet" in dreamer.networks) == NEW
    assert dreamer.loads == 1
    assert loader.message == loader.error == ""


@pytest.mark.parametrize("error", [NetworkError("no weights; copy them"), RuntimeError("wrong hash")])
def test_a_network_that_cannot_be_had_is_tried_once_and_said(error):
    dreamer = FakeDreamer(error)
    dreamer.go.set()
    loader = Loader(dreamer, {})
    loader.follow(OLD)
    now = followed(loader, NEW, lambda: loader.error)
    assert now.network == "dreamnet"
    assert str(error) in loader.error
    assert loader.failed == {"network": "bvlc_googlenet"}
    for _ in range(20):
        loader.follow(NEW)
    assert dreamer.loads == 1
    loader.follow(OLD)
    assert not loader.error
    assert not loader.failed
    followed(loader, NEW, lambda: loader.error)
    assert dreamer.loads == 2  # asked for again, it is tried again


def test_a_guide_is_loaded_beside_the_dream_and_its_neighbours_are_found(tmp_path):
    for name in ("a.png", "b.jpg"):
        cv2.imwrite(str(tmp_path / name), np.full((20, 30, 3), 90, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    dreamer = FakeDreamer("a backend")
    loader = Loader(dreamer, {})
    wanted = OLD.replace(guide=str(tmp_path / "b.jpg"))
    assert loader.follow(wanted).guide in ("", wanted.guide)
    assert followed(loader, wanted, lambda: dreamer.guides) is not None
    assert loader.follow(wanted) == wanted
    assert loader.guides == (str(tmp_path / "a.png"), str(tmp_path / "b.jpg"))


def test_a_guide_that_is_no_picture_is_said_and_the_old_one_stays(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    loader = Loader(FakeDreamer("a backend"), {})
    wanted = OLD.replace(guide=str(tmp_path / "broken.png"), layer="parts")
    now = followed(loader, wanted, lambda: loader.error)
    assert (now.guide, now.layer) == ("", "parts")
    assert "is no picture" in loader.error
    assert loader.failed == {"guide": wanted.guide}


def test_a_network_with_a_flipped_bit_is_refused_and_the_old_one_dreams_on(models, picture):
    for name in ("dreamnet.json", "dreamnet.safetensors"):
        shutil.copy(MODELS_DIR / name, models)
    weights = models / "dreamnet.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    small = OLD.replace(network="squeezenet1_1", layer="features.3", channels="", working_px=64)
    torch.manual_seed(0)
    torch.save(squeezenet1_1(weights=None).state_dict(), models / "own.pth")
    dreamer = Dreamer("squeezenet1_1", weights=models / "own.pth", device="cpu")
    loader = Loader(dreamer, {})
    loader.follow(small)
    now = followed(loader, OLD.replace(working_px=64), lambda: loader.error)
    assert "dreamnet.safetensors are damaged" in loader.error
    assert loader.failed == {"network": "dreamnet"}
    assert now == small.replace(channels=now.channels)
    assert np.abs(dreamer.tick(picture, now)).mean() > 0


def test_one_core_is_left_for_the_picture():
    assert dream_threads() >= 1
