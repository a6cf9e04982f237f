"""torchvision's GoogLeNet with weights made here: folded, truncated, checked against torchvision's own."""

from __future__ import annotations

import pickle
import warnings

import pytest
import torch
from torch import nn
from torchvision import models

from livedream.errors import NetworkError
from livedream.networks.catalogue import network_info
from livedream.networks.torchvision_googlenet import load_googlenet


@pytest.fixture(scope="module")
def reference() -> nn.Module:
    """The whole classifier with seeded weights, and batch norms that do something."""
    torch.manual_seed(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = models.googlenet(weights=None, init_weights=False, aux_logits=True)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


@pytest.fixture(scope="module")
def weights(reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "googlenet.pth"
    torch.save(reference.state_dict(), path)
    return path


def test_the_trunk_gives_what_torchvision_gives_and_what_the_table_says(reference, weights):
    trunk = load_googlenet(weights)
    seen: dict[str, torch.Tensor] = {}
    for name in ("conv1", "conv3", "inception3b", "inception4c", "inception5b"):
        getattr(reference, name).register_forward_hook(
            lambda _m, _i, out, name=name: seen.update({name: out})
        )
    image = torch.rand(1, 3, 97, 130)
    with torch.no_grad():
        reference(image * 2 - 1)
        for name, expected in seen.items():
            found = trunk.truncate(name)(image)
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
            assert found.shape[1] == network_info("googlenet").layer(name).channels


def test_nothing_is_left_of_batch_norm_or_of_what_comes_after_the_layer(weights):
    module = load_googlenet(weights).truncate("inception3b")
    assert not any(isinstance(part, nn.BatchNorm2d) for part in module.modules())
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert len(module) == 1 + 7


def test_weights_of_another_network_are_named_by_the_first_tensor_that_does_not_fit(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(3)}, path)
    with pytest.raises(
        NetworkError,
        match=r"is not googlenet: it has no tensor 'conv1\.conv\.weight'; found 'features",
    ):
        load_googlenet(path)
    torch.save({"conv1.conv.weight": torch.zeros(3)}, path)
    with pytest.raises(NetworkError, match=r"shape \(3,\), expected \(64, 3, 7, 7\)"):
        load_googlenet(path)


class Malicious:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the file ran its own code')",))


@pytest.mark.parametrize("content", [b"", b"no weights", pickle.dumps(Malicious()), pickle.dumps([1, 2])])
def test_damaged_and_malicious_files_are_refused(content, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match="weights"):
        load_googlenet(path)


def test_without_internet_it_is_said_what_to_copy_where(monkeypatch):
    def unreachable(**_kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(models, "googlenet", unreachable)
    with pytest.raises(NetworkError, match=r"no route to host.*copy googlenet-1378be20\.pth to models/"):
        load_googlenet(None)


def test_the_file_name_is_that_of_torchvision():
    url = models.GoogLeNet_Weights.IMAGENET1K_V1.url
    assert url.endswith("/" + network_info("googlenet").weights_file)
