"""Without PyTorch, what can be dreamt is what has been exported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from livedream.controls.actions import Cycle, Set
from livedream.errors import MissingPackageError
from livedream.networks import dreamable
from livedream.networks.dreamable import dreamable_layers, dreamable_networks, require_dreamable
from livedream.performance.possible import possible
from livedream.performance.scenes import Scene
from livedream.performance.state import PlayState
from livedream.settings import Settings


@pytest.fixture
def lean(monkeypatch: pytest.MonkeyPatch, models: Path) -> Path:
    """Nothing is shipped, PyTorch is missing, and the cache holds the graphs of two layers."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(dreamable, "SHIPPED_DIR", models / "none")
    cache = models.parent / "exported"
    cache.mkdir()
    for stem in (
        "vgg16-features.8",
        "vgg16-features.27",
        "vgg16-features.27-guide",
        "vgg16-features.27-features",
    ):
        (cache / f"{stem}.onnx").touch()
    for name in ("vgg16", "resnet34"):
        (models / f"{name}.safetensors").touch()
    return cache


@pytest.mark.usefixtures("lean")
def test_only_what_is_exported_can_be_chosen() -> None:
    assert dreamable_networks() == ("vgg16",)
    assert dreamable_layers("vgg16") == ("features.8", "features.27")
    state = PlayState.begin(Settings(network="vgg16", layer="features.27"), None)
    seen = []
    for _ in range(3):
        state = state.after(Cycle("layer", 1))
        seen.append(state.settings.layer)
    assert seen == ["features.8", "features.27", "features.8"]
    assert state.after(Cycle("network", 1)).settings.network == "vgg16"


@pytest.mark.usefixtures("lean")
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"network": "resnet34", "layer": "parts"},
            r"dreaming resnet34 layer3.* \(not exported here\) needs PyTorch",
        ),
        ({"layer": "features.22"}, "dreaming vgg16 features.22 "),
        ({"layer": "features.27:1,features.22:1"}, "dreaming vgg16 features.22 "),
        ({"pool_gradient": "soft"}, "dreaming vgg16 features.27 with soft pools "),
    ],
)
def test_anything_else_is_refused_with_the_command_and_the_show_goes_on(
    settings: dict[str, str], says: str
) -> None:
    before = Settings(network="vgg16", layer="features.27")
    with pytest.raises(MissingPackageError, match=says) as raised:
        PlayState.begin(before.replace(**settings), None)
    assert str(raised.value).endswith("to add it: uv sync")
    state = PlayState.begin(before, None)
    ((name, value), *_) = settings.items()
    with pytest.raises(MissingPackageError, match=says):
        state.after(Set(name, value))


@pytest.mark.usefixtures("lean")
def test_a_guide_needs_two_more_graphs() -> None:
    require_dreamable("vgg16", ["features.27"], guide=True)
    with pytest.raises(MissingPackageError, match=r"dreaming vgg16 features.8 with a guide image "):
        require_dreamable("vgg16", ["features.8"], guide=True)


@pytest.mark.usefixtures("lean")
def test_a_scene_keeps_the_layer_where_it_names_one_that_is_not_exported() -> None:
    before = PlayState.begin(Settings(network="vgg16", layer="features.27"), None).settings
    scene = Scene("mine", settings={"layer": "features.22", "strength": 0.5})
    settings, problems = possible(scene, before, ("vgg16",))
    assert settings == before.replace(strength=0.5)
    assert len(problems) == 1
    assert "scene mine: dreaming vgg16 features.22 (not exported here) needs PyTorch" in problems[0]


def test_with_pytorch_every_layer_can_be_dreamt(lean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dreamable, "installed", lambda package: True)
    for path in lean.iterdir():
        path.unlink()
    assert dreamable_networks() == ("vgg16", "resnet34")
    assert len(dreamable_layers("vgg16")) > 5
    require_dreamable("vgg16", ["features.22"], guide=True)
