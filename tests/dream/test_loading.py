"""Another network is loaded beside the dream; until it is there, the old one dreams on."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import squeezenet1_1

from livedream.dream.dreamer import Dreamer
from livedream.dream.loading import BackgroundLoader, Loader
from livedream.dream.process import dream_threads
from livedream.errors import NetworkError
from livedream.ipc.protocol import Unavailable
from livedream.networks.catalogue import MODELS_DIR
from livedream.settings import Settings
from livedream.timing import now_s

OLD = Settings(network="dreamnet", layer="edges", channels="3")
NEW = Settings(network="bvlc_googlenet", layer="inception_4c", channels="7")


class FakeDreamer:
    """Loads when the test lets it; counts how often it was asked to."""

    default_network = "dreamnet"

    def __init__(self, result: object) -> None:
        self.networks = ("dreamnet",)
        self.result = result
        self.loads = 0
        self.guides: dict[str, object] = {}
        self.faults: dict[tuple[str, str], str] = {}
        self.sound: set[tuple[str, str]] = set()
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


def followed(loader: Loader, wanted: Settings, until) -> Settings:
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
    assert loader.unavailable == Unavailable(network="bvlc_googlenet")
    for _ in range(20):
        loader.follow(NEW)
    assert dreamer.loads == 1
    loader.follow(OLD)
    assert not loader.error
    assert loader.unavailable == Unavailable()
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
    assert "is not an image" in loader.error
    assert loader.unavailable == Unavailable(guide=wanted.guide)


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
    dreamer = Dreamer("squeezenet1_1", weights=models / "own.pth", device="cpu", backend="pytorch")
    loader = Loader(dreamer, {})
    loader.follow(small)
    now = followed(loader, OLD.replace(working_px=64), lambda: loader.error)
    assert "dreamnet.safetensors are damaged" in loader.error
    assert loader.unavailable == Unavailable(network="dreamnet")
    assert now == small.replace(channels=now.channels)
    assert np.abs(dreamer.tick(picture, now)).mean() > 0


SMALL = OLD.replace(working_px=64, channels="", crossfade_s=0.2)
FAULTY = SMALL.replace(network="squeezenet1_1", layer="features.3")


@pytest.fixture(scope="module")
def overflowing(tmp_path_factory) -> Path:
    """Weights of squeezenet1_1 that are finite numbers, and whose activations are not."""
    path = tmp_path_factory.mktemp("weights") / "huge.pth"
    torch.manual_seed(0)
    torch.save({name: w * 1e30 for name, w in squeezenet1_1(weights=None).state_dict().items()}, path)
    return path


def dreamt(loader: Loader, dreamer: Dreamer, wanted: Settings, picture, ticks: int = 30):
    """The settings that were dreamt in the end, what was said, each once in a row, and the last residual."""
    said: list[str] = []
    for _ in range(ticks):
        settings = loader.follow(wanted)
        residual = dreamer.tick(picture, settings)
        said += [loader.error] if loader.error not in said[-1:] else []
    assert np.isfinite(residual).all()
    return settings, [text for text in said if text], np.abs(residual).mean()


def logged(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def test_a_network_that_gives_no_numbers_is_said_once_and_the_old_one_dreams_on(overflowing, picture, caplog):
    dreamer = Dreamer("dreamnet", device="cpu", backend="pytorch")
    loader = Loader(dreamer, {"squeezenet1_1": str(overflowing)})
    before = dreamt(loader, dreamer, SMALL, picture)[2]
    followed(loader, FAULTY, lambda: "squeezenet1_1" in dreamer.networks)
    settings, said, after = dreamt(loader, dreamer, FAULTY, picture)
    fault = "squeezenet1_1 features.3 produces NaN; its weights may be damaged"
    assert said == [f"{fault}; dreaming dreamnet edges instead"]
    assert loader.unavailable == Unavailable(network="squeezenet1_1", layer="features.3")
    assert (settings.network, settings.layer) == ("dreamnet", "edges")
    assert after > before / 2 > 0
    assert dreamt(loader, dreamer, SMALL, picture)[1] == []  # as the show then asks for
    assert logged(caplog) == [fault]
    assert dreamt(loader, dreamer, FAULTY, picture)[1] == said  # asked for again, it is tried again
    assert logged(caplog) == [fault, fault]


def test_a_layer_that_gives_no_numbers_leaves_the_networks_others(tmp_path, picture, caplog):
    weights = load_file(MODELS_DIR / "dreamnet.safetensors")
    huge = {name: w.float() * 1e30 if name.startswith("trunk.parts.") else w for name, w in weights.items()}
    save_file(huge, tmp_path / "own.safetensors")
    dreamer = Dreamer("dreamnet", weights=tmp_path / "own.safetensors", device="cpu", backend="pytorch")
    loader = Loader(dreamer, {})
    before = dreamt(loader, dreamer, SMALL, picture)[2]
    for layer in ("parts", "edges:1,parts:1"):
        settings, said, after = dreamt(loader, dreamer, SMALL.replace(layer=layer), picture)
        assert len(said) == 1
        assert said[0].endswith("dreaming dreamnet edges instead")
        assert settings.layer == "edges"
        assert after > before / 2 > 0
        dreamt(loader, dreamer, SMALL, picture)
    journey = SMALL.replace(journey=True, journey_hold_s=0.1, journey_fade_s=0.1)
    dreamt(loader, dreamer, journey, picture, ticks=60)
    assert len([text for text in logged(caplog) if "dreamnet parts" in text]) == 2


def test_when_the_only_network_gives_no_numbers_the_shipped_one_dreams(overflowing, picture, caplog):
    dreamer = Dreamer("squeezenet1_1", weights=overflowing, device="cpu", backend="pytorch")
    loader = Loader(dreamer, {})
    dreamt(loader, dreamer, FAULTY, picture, ticks=3)
    followed(loader, FAULTY, lambda: "dreamnet" in dreamer.networks)
    settings, said, strength = dreamt(loader, dreamer, FAULTY, picture)
    assert len(said) == 1
    assert said[0].endswith("dreaming dreamnet patterns instead")
    assert (settings.network, settings.layer) == ("dreamnet", "patterns")
    assert strength > 0
    assert len(logged(caplog)) == 1


def test_where_nothing_can_be_dreamt_that_is_said_once(tmp_path, picture, caplog):
    huge = {name: w.float() * 1e30 for name, w in load_file(MODELS_DIR / "dreamnet.safetensors").items()}
    save_file(huge, tmp_path / "own.safetensors")
    dreamer = Dreamer("dreamnet", weights=tmp_path / "own.safetensors", device="cpu", backend="pytorch")
    loader = Loader(dreamer, {})
    wanted = SMALL.replace(layer="patterns")
    _, said, strength = dreamt(loader, dreamer, wanted, picture)
    assert len(said) == 1
    assert said[0].endswith("no dream until another layer or network is chosen")
    assert strength == 0
    assert len(logged(caplog)) == 1


def test_what_has_been_loaded_is_not_loaded_again_before_it_is_taken():
    loads, added = [], []
    loader = BackgroundLoader(
        lambda name: loads.append(name) or name, lambda name, thing: added.append(thing)
    )
    deadline = now_s() + 30
    while not loader.loaded:
        assert loader.want("a network") == ""
        assert now_s() < deadline
    assert loader.want("a network") == ""
    loader.take()
    assert added == loads == ["a network"]


def test_what_hangs_while_it_loads_is_given_up_and_the_next_is_loaded():
    now, go_on, added = [100.0], threading.Event(), []

    def load(name: str) -> str:
        if name == "slow":
            go_on.wait(60)
        return name

    loader = BackgroundLoader(load, lambda name, thing: added.append(name), lambda name: 30.0, lambda: now[0])
    assert loader.want("slow") == loader.want("quick") == ""
    now[0] += 31.0
    assert loader.want("slow") == "slow was not loaded within 30 s"
    assert loader.want("quick") == ""
    deadline = now_s() + 30
    while loader.loaded != ("quick",):
        assert now_s() < deadline
    go_on.set()
    loader.take()
    assert added[0] == "quick"


def test_one_core_is_left_for_the_picture():
    assert dream_threads() >= 1


def test_words_that_the_layer_does_not_have_are_said_and_the_layer_is_dreamt():
    loader = Loader(FakeDreamer("a backend"), {})
    worded = Settings(layer="parts", dream_of="castle")
    assert loader.follow(worded) == worded
    assert loader.follow(worded.replace(layer="edges")) == Settings(layer="edges")
    assert loader.error.startswith("layer edges of dreamnet has no words")
    loader.follow(worded)
    assert not loader.error


def test_words_go_back_with_the_network_that_has_them():
    loader = Loader(FakeDreamer("a backend"), {})
    loader.follow(Settings(layer="parts", dream_of="castle"))
    assert loader.follow(NEW).dream_of == "castle"
