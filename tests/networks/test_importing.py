"""A weight file of any kind becomes a network that the mirror finds; any other changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torchvision import models as torchvision_models

from livedream.errors import NetworkError, OutputError, UsageError
from livedream.networks import catalogue
from livedream.networks.architectures import bvlc_googlenet
from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import DreamNet
from livedream.networks.catalogue import find_weights
from livedream.networks.importing import import_weights
from livedream.networks.listing import network_text
from livedream.networks.load import load_network
from livedream.networks.provenance import import_note
from tests.networks.caffe_files import caffemodel


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    torch.manual_seed(2)
    return {name: torch.rand_like(p) for name, p in bvlc_googlenet.parameters(BvlcGoogLeNet()).items()}


def _arrays(tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def _caffemodel(path: Path, tensors: dict[str, Tensor]) -> None:
    auxiliary = {"loss1/fc/weight": np.zeros((2, 2), np.float32), "loss1/fc/bias": np.zeros(2, np.float32)}
    path.write_bytes(caffemodel(auxiliary | _arrays(tensors), old=True))


WRITERS: dict[str, Callable[[Path, dict[str, Tensor]], None]] = {
    "a.caffemodel": _caffemodel,
    "a.npz": lambda path, tensors: np.savez(path, **_arrays(tensors)),
    "a.safetensors": lambda path, tensors: save_file(tensors, path),
    "a.pth": lambda path, tensors: torch.save(tensors, path),
}


@pytest.mark.parametrize("file", WRITERS)
def test_every_kind_of_file_becomes_the_same_network_which_is_then_found(
    file: str, tensors: dict[str, Tensor], models: Path, tmp_path: Path
) -> None:
    path = tmp_path / file
    WRITERS[file](path, tensors)
    imported = import_weights(path, "bvlc_googlenet")
    assert imported.path == models / "bvlc_googlenet.safetensors" == find_weights("bvlc_googlenet")
    assert imported.tensors == 116
    written = load_file(imported.path)
    assert set(written) == set(tensors)  # what the network does not need stays behind
    assert all(torch.equal(written[name], tensor) for name, tensor in tensors.items())
    load_network("bvlc_googlenet")
    assert {p.name for p in models.iterdir()} == {"bvlc_googlenet.safetensors", "bvlc_googlenet.json"}


def test_the_sidecar_says_where_it_came_from(
    tensors: dict[str, Tensor], models: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **_arrays(tensors))
    imported = import_weights(path, "bvlc_googlenet")
    facts = json.loads((models / "bvlc_googlenet.json").read_text())
    assert facts == {
        "name": "bvlc_googlenet",
        "file": "bvlc_googlenet.safetensors",
        "sha256": hashlib.sha256(imported.path.read_bytes()).hexdigest(),
        "imported_from": {"file": "a.npz", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "origin": catalogue.network_info("bvlc_googlenet").origin,
        "licence": "released for unrestricted use",
    }
    text = network_text("bvlc_googlenet")
    assert f"weights    {imported.path}" in text
    assert f"imported   from 'a.npz', sha256 {facts['imported_from']['sha256'][:8]}…" in text


def test_torchvisions_and_our_own_networks_can_be_imported(models: Path, tmp_path: Path) -> None:
    state = torchvision_models.googlenet(weights=None, init_weights=False, aux_logits=True).state_dict()
    torch.save({name: torch.ones_like(tensor) for name, tensor in state.items()}, tmp_path / "g.pth")
    save_file(DreamNet().half().state_dict(), tmp_path / "d.safetensors")
    for file, name in (("g.pth", "googlenet"), ("d.safetensors", "dreamnet")):
        import_weights(tmp_path / file, name)
        load_network(name)
        assert find_weights(name) == models / f"{name}.safetensors"


def test_what_is_there_is_replaced_only_when_asked_and_only_by_what_fits(
    tensors: dict[str, Tensor], models: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **_arrays(tensors))
    there = models / "bvlc_googlenet.safetensors"
    there.write_bytes(b"the weights of yesterday")
    with pytest.raises(OutputError, match=r"already exists; --force replaces it"):
        import_weights(path, "bvlc_googlenet")
    bad = tmp_path / "bad.npz"
    np.savez(bad, **_arrays(tensors) | {"conv2/3x3/bias": np.full(192, np.nan, np.float32)})
    with pytest.raises(NetworkError, match="conv2/3x3/bias"):
        import_weights(bad, "bvlc_googlenet", force=True)
    with pytest.raises(UsageError, match="would overwrite"):
        import_weights(there, "bvlc_googlenet", force=True)
    assert there.read_bytes() == b"the weights of yesterday"
    assert list(models.iterdir()) == [there]
    import_weights(path, "bvlc_googlenet", force=True)
    assert torch.equal(load_file(there)["conv2/3x3/bias"], tensors["conv2/3x3/bias"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, the disk that is full")
def test_a_disk_that_fails_leaves_what_was_there(
    tensors: dict[str, Tensor], models: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **_arrays(tensors))
    there = models / "bvlc_googlenet.safetensors"
    there.write_bytes(b"the weights of yesterday")
    (models / ".bvlc_googlenet.safetensors.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"cannot write .*No space left"):
        import_weights(path, "bvlc_googlenet", force=True)
    assert [p.name for p in models.iterdir()] == [there.name]
    assert there.read_bytes() == b"the weights of yesterday"


def test_without_a_folder_to_write_to_nothing_is_imported(
    tensors: dict[str, Tensor], models: Path, tmp_path: Path
) -> None:
    np.savez(tmp_path / "a.npz", **_arrays(tensors))
    models.rmdir()
    models.touch()
    with pytest.raises(
        OutputError, match=r"cannot write to the folder .*networks: .*LIVEDREAM_HOME"
    ) as caught:
        import_weights(tmp_path / "a.npz", "bvlc_googlenet")
    assert "\n" not in str(caught.value)


def test_an_unknown_network_and_a_missing_file_are_named(models: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown network 'x'"):
        import_weights(tmp_path / "a.npz", "x")
    with pytest.raises(NetworkError, match=r"no weights at .*a\.npz"):
        import_weights(tmp_path / "a.npz", "bvlc_googlenet")
    assert not list(models.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1, 2]",
        b"3",
        b'{"imported_from": 3}',
        b'{"imported_from": {"file": "a", "sha256": 3}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"imported_from": "' + b"a" * 200_000 + b'"}',
    ],
)
def test_a_damaged_sidecar_is_reported(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert "a.json cannot be read" in str(import_note(tmp_path / "a.safetensors"))


def test_weights_that_were_not_imported_have_no_note(tmp_path: Path) -> None:
    assert import_note(tmp_path / "a.safetensors") is None
    (tmp_path / "a.json").write_text('{"name": "dreamnet"}')
    assert import_note(tmp_path / "a.safetensors") is None


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1  # of a mantissa: the numbers stay finite and the network would dream on
    path.write_bytes(content)


def test_a_flipped_bit_is_found_where_there_is_a_sidecar(
    tensors: dict[str, Tensor], models: Path, tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / "a.safetensors")
    imported = import_weights(tmp_path / "a.safetensors", "bvlc_googlenet")
    load_network("bvlc_googlenet")
    _flip_a_bit(imported.path)
    found = hashlib.sha256(imported.path.read_bytes()).hexdigest()
    for named in (None, imported.path):
        with pytest.raises(NetworkError) as caught:
            load_network("bvlc_googlenet", named)
        assert str(imported.path) in str(caught.value)
        assert f"expected sha256 {imported.sha256[:12]}" in str(caught.value)
        assert f"found {found[:12]}" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"{}", b"{", b'{"file": "a.npz", "sha256": "of another file"}'])
def test_weights_of_which_no_sidecar_tells_are_not_checked(
    content: bytes | None, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / "a.safetensors")
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    load_network("bvlc_googlenet", tmp_path / "a.safetensors")
