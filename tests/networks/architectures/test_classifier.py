"""torchvision's classifiers with seeded values: truncated and folded, they give what torchvision gives."""

from __future__ import annotations

import copy
import pickle
import re
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torchvision import models

from livedream.errors import NetworkError, UsageError
from livedream.networks.architectures.classifier import Classifier, load
from livedream.networks.architectures.truncation import TruncatableModel
from livedream.networks.catalogue import CLASSIFIERS, NETWORKS, TRANSFORMERS, network_info
from livedream.networks.fetching import official_download
from livedream.networks.load import load_network
from livedream.networks.survey import survey, table
from tests.networks.classifiers import activations, seeded

OTHERS = ("resnet34", "shufflenet_v2_x1_0", "alexnet")
NAMES = [info.name for info in NETWORKS.values() if info.provider == "torchvision"]
PICTURE = torch.rand(1, 3, 97, 130, generator=torch.Generator().manual_seed(1))
WIDER_PX = 64


@cache
def reference(name: str) -> tuple[nn.Module, dict[str, Tensor]]:
    """torchvision's own model and what its layers give for the picture."""
    model = seeded(name)
    return model, activations(model, network_info(name), PICTURE)


@cache
def classifier(name: str) -> Classifier:
    return Classifier(network_info(name), copy.deepcopy(reference(name)[0]))


def largest_difference(found: Tensor, expected: Tensor) -> float:
    """As a share of the largest value."""
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_each_layer_gives_what_torchvision_gives(name):
    for layer, expected in reference(name)[1].items():
        with torch.no_grad():
            found = classifier(name).truncate(layer)(PICTURE)
        assert found.shape == expected.shape
        assert expected.abs().max() > 0
        assert largest_difference(found, expected) < 1e-4, layer


@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_channels_and_strides_are_those_of_the_table(name):
    info = network_info(name)
    model, found = reference(name)
    wider = activations(model, info, torch.rand(1, 3, PICTURE.shape[2], PICTURE.shape[3] + WIDER_PX))
    assert list(found) == [layer.name for layer in info.layers]  # and in the table's order
    for layer in info.layers:
        grown = wider[layer.name].shape[3] - found[layer.name].shape[3]
        assert (found[layer.name].shape[1], WIDER_PX / grown) == (layer.channels, layer.stride)


@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_the_deepest_layer_has_a_gradient_at_the_smallest_sizes_and_changes_nothing(name):
    part = classifier(name).truncate(network_info(name).layers[-1].name)
    for height, width in ((64, 96), (48, 48)):
        x = torch.rand(1, 3, height, width, requires_grad=True)
        before = x.detach().clone()
        (gradient,) = torch.autograd.grad(part(x).square().sum(), x)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0
        assert torch.equal(x.detach(), before)
    assert not any(parameter.requires_grad for parameter in part.parameters())


@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_nothing_in_place_and_no_norm_over_batches_is_left(name):
    part = classifier(name).truncate(network_info(name).layers[-1].name)
    for module in part.modules():
        assert not isinstance(module, nn.BatchNorm2d | nn.Dropout)
        assert not getattr(module, "inplace", False)
    for node in part.network.graph.nodes:
        assert not node.kwargs.get("inplace")
        assert not str(node.target).endswith("_")
        assert getattr(node.target, "__name__", "") != "stochastic_depth"


@pytest.mark.parametrize("name", ["densenet121", "efficientnet_b0", "convnext_tiny", "shufflenet_v2_x1_0"])
def test_its_gradient_can_be_traced_at_a_fixed_size(name):
    part = classifier(name).truncate("parts")
    x, other = (torch.rand(1, 3, 64, 97) for _ in range(2))
    gradient = torch.func.grad(lambda image: part(image).square().sum())
    traced = make_fx(gradient)(x)
    torch.testing.assert_close(traced(other), gradient(other))


def test_batch_norms_are_folded_once_for_all_layers_and_weights_shared():
    deep, shallow = (classifier("resnet18").truncate(name) for name in ("layer3.1", "layer2.1"))
    mine, theirs = ({p.data_ptr() for p in part.parameters()} for part in (shallow, deep))
    assert mine < theirs
    assert sum(isinstance(module, nn.Conv2d) for module in shallow.modules()) == 1 + 4 + 5


def test_any_module_of_the_trunk_may_be_the_last():
    trunk = classifier("resnet18")
    model, seen = reference("resnet18")[0], []
    hook = model.layer2[0].conv1.register_forward_hook(lambda _m, _i, out: seen.append(out.clone()))
    with torch.no_grad():
        activations(model, network_info("resnet18"), PICTURE)
        hook.remove()
        # a convolution whose norm is not part of what was asked for
        assert largest_difference(trunk.truncate("layer2.0.conv1")(PICTURE), seen[0]) < 1e-4
    assert "layer4.1.bn2" in trunk.layers
    assert not {"avgpool", "fc"} & set(trunk.layers)
    assert classifier("efficientnet_b0").truncate("features.2.0.block.2.avgpool")(PICTURE).shape[2:] == (1, 1)


def test_layers_have_short_names_and_words():
    trunk = classifier("vgg16")
    assert trunk.truncate("conv2_2")(PICTURE).shape == trunk.truncate("edges")(PICTURE).shape
    with pytest.raises(UsageError, match=r"unknown layer 'features\.99'; vgg16 has: features\.3, .*edges"):
        trunk.truncate("features.99")


def test_half_precision_sees_the_same():
    trunk = Classifier(network_info("densenet121"), copy.deepcopy(reference("densenet121")[0]))
    part = trunk.truncate("patterns")
    with torch.no_grad():
        exact = part(PICTURE)
        half = part.to(torch.bfloat16, memory_format=torch.channels_last)(PICTURE.bfloat16()).float()
        deeper = trunk.truncate("parts").to(torch.bfloat16)(PICTURE.bfloat16()).float()
        exact_deeper = classifier("densenet121").truncate("parts")(PICTURE)
    assert F.cosine_similarity(exact.flatten(), half.flatten(), 0) > 0.99
    assert F.cosine_similarity(exact_deeper.flatten(), deeper.flatten(), 0) > 0.99


def test_what_classifies_is_not_kept_in_memory():
    largest = max(part.numel() for part in classifier("vgg16")._graph._parts["features.28"].parameters())
    kept = {name for name in classifier("vgg16")._graph._parts if name.startswith("classifier")}
    assert (largest, kept) == (512 * 512 * 9, set())


# Weight files


def without_dots(name: str) -> str:
    """Today's names of a DenseNet's tensors as in the published files."""
    return re.sub(r"(norm|conv)([12])\.(\w+)$", r"\1.\2.\3", name)


@pytest.mark.parametrize("name", ["squeezenet1_1", "densenet121", "mnasnet0_5"])
def test_a_state_dict_of_torchvision_becomes_the_network(name, tmp_path):
    model = seeded(name)
    path = tmp_path / "weights.pth"
    torch.save({without_dots(key): value for key, value in model.state_dict().items()}, path)
    info = network_info(name)
    expected = activations(model, info, PICTURE)[info.words["parts"]]
    with torch.no_grad():
        found = load_network(name, path).truncate(info.words["parts"])(PICTURE)
    assert largest_difference(found, expected) < 1e-4


def test_the_heads_that_are_only_for_training_may_be_in_the_file(tmp_path):
    whole = models.googlenet(weights=None, aux_logits=True, init_weights=False)
    save_file({name: t for name, t in whole.state_dict().items() if t.dim()}, tmp_path / "g.safetensors")
    load(network_info("googlenet"), tmp_path / "g.safetensors")


def test_weights_of_another_network_are_named_by_the_first_tensor_that_does_not_fit(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(3)}, path)
    with pytest.raises(NetworkError, match=r"not googlenet: it has no tensor 'conv1\.conv\.weight'"):
        load(network_info("googlenet"), path)
    torch.save({"conv1.conv.weight": torch.zeros(3)}, path)
    with pytest.raises(NetworkError, match=r"shape \(3,\), expected \(64, 3, 7, 7\)"):
        load(network_info("googlenet"), path)


class Malicious:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the file ran its own code')",))


@pytest.mark.parametrize("content", [b"", b"no weights", pickle.dumps(Malicious()), pickle.dumps([1, 2])])
def test_damaged_and_malicious_files_are_refused(content, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match="weights"):
        load(network_info("resnet18"), path)


@pytest.mark.parametrize("name", ["googlenet", "vgg16", "resnet34"])
def test_without_internet_it_is_said_what_to_copy_where(monkeypatch, name):
    def unreachable(*_arguments, **_kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    info = network_info(name)
    with pytest.raises(NetworkError, match=f"{name} could not be downloaded .*no route to host") as caught:
        load(info, None)
    assert f"livedream models import {info.weights_file} --as {name}" in str(caught.value)


# The tables, and torchvision


@pytest.mark.parametrize("name", [*NAMES, *CLASSIFIERS])
def test_files_and_normalisation_are_torchvisions(name):
    info, weights = network_info(name), next(iter(models.get_model_weights(name)))
    assert weights.url == official_download(info).url
    assert weights.url.endswith("/" + info.weights_file)
    assert info.origin.startswith(f"torchvision {weights}")
    assert max(48, info.smallest_px) >= max(weights.meta["min_size"])
    if info.name in ("googlenet", "inception_v3"):
        # With weights, torchvision's model undoes the usual normalisation and does its own.
        assert (info.mean, info.std) == ((0.5,) * 3, (0.5,) * 3)
    else:
        preset = weights.transforms()
        assert (info.mean, info.std) == (tuple(preset.mean), tuple(preset.std))


@pytest.mark.parametrize("name", ["resnet34", "densenet169", "squeezenet1_0", "mobilenet_v2"])
def test_the_tables_of_the_others_are_what_tracing_finds(name):
    rows = [(layer.name, layer.channels, layer.stride) for layer in network_info(name).layers]
    assert survey(name) == rows
    stars = {row.split()[3] for row in table(rows).splitlines() if row.endswith("*")}
    assert stars == {f"{word}*" for word in network_info(name).words}


def test_every_convolutional_classifier_is_there():
    too_large = {"regnet_y_128gf"}
    names = {name for name in models.list_models(module=models) if not name.startswith(TRANSFORMERS)}
    assert names - too_large == {*NAMES, *CLASSIFIERS}


def test_other_networks_go_on_running_while_one_is_traced():
    other, seen = nn.Conv2d(3, 2, 1), []

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x):
            seen.append(other(torch.ones(1, 3, 4, 4)))  # as if by a dream on another thread
            return self.conv(x)

    TruncatableModel(Model().eval())
    assert seen[0].shape == (1, 2, 4, 4)
