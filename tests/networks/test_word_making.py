"""A table of words is made from pictures, and read again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from livedream.cli.main import main
from livedream.errors import SourceError
from livedream.networks import judge as judge_module
from livedream.networks import word_making
from livedream.networks.judge import Judge, mean_free
from livedream.networks.words import WordTable, word_table

CHANNELS = {"patterns": 512, "parts": 512, "objects": 832}


class Layer(torch.nn.Module):
    """A layer whose first channels are the image's red, green and blue."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        x = torch.nn.functional.adaptive_avg_pool2d(x, 2)
        return torch.cat((x, 0.1 * x.mean(1, keepdim=True).repeat(1, self.channels - 3, 1, 1)), 1)


class Classifier(torch.nn.Module):
    """Red is class 0, green class 1, blue class 2; the others are never seen."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleDict({name: Layer(count) for name, count in CHANNELS.items()})

    def forward(self, x):
        total = sum(layer(x)[:, :3].mean((2, 3)) for layer in self.layers.values())
        return torch.cat((3 * total, torch.zeros(len(x), 997)), 1)


@pytest.fixture
def folder(tmp_path):
    """Pictures in one colour each, and noise, in two folders."""
    rng = np.random.default_rng(0)
    for n in range(24):
        colour = np.eye(3)[n % 3] * 200
        place = tmp_path / "pictures" / ("Faces" if n % 3 == 0 else "other")
        place.mkdir(parents=True, exist_ok=True)
        noise = rng.integers(0, 55, (40, 60, 3))
        cv2.imwrite(str(place / f"{n}.png"), (colour[::-1] + noise).astype(np.uint8))
    return tmp_path / "pictures"


@pytest.fixture
def coloured(monkeypatch):
    """Makes ``Judge`` a classifier of colours with dreamnet's layers."""

    def classifier(network):
        made = Classifier()
        names = {"inception_4a": "patterns", "inception_4c": "parts", "inception_4e": "objects"}
        return made, lambda layer: made.layers[names[layer]]

    monkeypatch.setattr(judge_module, "_classifier", classifier)
    monkeypatch.setattr(word_making, "SIDE_PX", 32)
    monkeypatch.setattr(word_making, "PER_CLASS", 1)


def test_a_table_is_made_from_pictures_and_read_again(coloured, folder, tmp_path):
    out = tmp_path / "dreamnet.npz"
    assert word_making.make_table("bvlc_googlenet", [folder], out, lambda stage: None) == 24
    table = WordTable("bvlc_googlenet", out)
    assert table.layers == ("inception_4a", "inception_4c", "inception_4e")
    assert "faces" in table.families
    red, green = (table.emphasis("4c", ((word, 1.0),)) for word in ("tench", "goldfish"))
    assert red.argmax() == 0
    assert green.argmax() == 1
    assert table.emphasis("4c", (("faces", 1.0),)).argmax() == 0  # they are red
    for n, word in enumerate(("tench", "goldfish", "great white shark")):
        activity = np.full(512, 1e-3, np.float32)
        activity[n] = 0.5
        best = table.recognised("4c", activity)
        assert best[0][0] == word
        assert 0 < best[0][1] <= 1
        assert best == sorted(best, key=lambda pair: -pair[1])


def test_gradients_say_which_channels_speak_for_a_class(coloured):
    judge = Judge("bvlc_googlenet")
    images = torch.rand(2, 3, 32, 32)
    _, free = judge.gradients(images, mean_free([0, 2]))
    assert free["inception_4e"][:, :3].argmax(1).tolist() == [0, 2]


def test_too_few_pictures_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"0 pictures in .*; expected at least 20 of many different things"):
        word_making.read_pictures([tmp_path])


def test_the_command_writes_to_the_users_folder_and_says_how_to_use_it(
    coloured, folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path / "home"))
    assert main(["models", "words", "bvlc_googlenet", "--pictures", str(folder)]) == 0
    path = tmp_path / "home" / "networks" / "bvlc_googlenet.words.npz"
    said = capsys.readouterr().out
    assert f"wrote {path} from 24 pictures" in said
    assert "--dream-of" in said
    assert word_table("bvlc_googlenet")._path == path


def test_the_command_lists_words(capsys):
    assert main(["models", "words"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("dreamnet, layers patterns, parts, objects\nfamilies: birds, dogs,")
    assert "golden retriever" in said
    assert main(["models", "words", "vgg19"]) == 2
    assert "--pictures" in capsys.readouterr().err


@pytest.mark.shared
def test_what_the_camera_shows_is_recognised_from_activity(shared):
    """A cat, by the shipped probe of dreamnet."""
    from livedream.networks.load import load_network

    bgr = cv2.imread(str(shared / "photo" / "chelsea.png"))
    image = cv2.cvtColor(cv2.resize(bgr, (320, 213)), cv2.COLOR_BGR2RGB)
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        activity = load_network("dreamnet").truncate("objects")(x).square().mean((0, 2, 3)).numpy()
    seen = [word for word, _ in word_table("dreamnet").recognised("objects", activity)]
    assert "Egyptian cat" in seen
