"""Caffe's files: both kinds are read, and nothing that is in one can do harm."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from livedream.errors import NetworkError
from livedream.networks.architectures import bvlc_googlenet
from livedream.networks.weights import read_tensors
from tests.networks.caffe_files import Array, blob, caffemodel, layer, message, number, varint
from tests.networks.recognising import recognised

Tensors = dict[str, Array]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    rng = np.random.default_rng(3)
    shapes = {
        "conv1/7x7_s2/weight": (4, 3, 7, 7),
        "conv1/7x7_s2/bias": (4,),
        "relu/weight": (2, 1, 1, 1),
        "loss3/classifier/weight": (10, 6),
        "loss3/classifier/bias": (10,),
    }
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def read(content: bytes, folder: Path) -> dict[str, torch.Tensor]:
    path = folder / "a.caffemodel"
    path.write_bytes(content)
    return read_tensors(path)


@pytest.mark.parametrize("old", [True, False], ids=["V1 layers", "layers"])
def test_both_kinds_of_file_give_every_tensor_exactly(tensors: Tensors, tmp_path: Path, old: bool) -> None:
    found = read(caffemodel(tensors, old=old), tmp_path)
    assert list(found) == list(tensors)
    for name, array in tensors.items():
        assert found[name].dtype == torch.float32
        assert np.array_equal(found[name].reshape(array.shape).numpy(), array)
    assert tuple(found["loss3/classifier/weight"].shape) == ((1, 1, 10, 6) if old else (10, 6))


def test_numbers_may_be_packed_or_single_and_double(tensors: Tensors, tmp_path: Path) -> None:
    array = tensors["conv1/7x7_s2/weight"]
    for written in (
        blob(array, packed=False),
        blob(array.astype(float)),
        blob(array.astype(float), packed=False),
    ):
        found = read(layer("a", [written], old=False), tmp_path)["a/weight"]
        assert found.dtype == torch.float32
        assert np.array_equal(found.numpy(), array)


def test_a_batch_norms_third_tensor_has_a_number(tmp_path: Path) -> None:
    blobs = [blob(np.full(2, n, np.float32)) for n in range(3)]
    assert list(read(layer("norm", blobs, old=False), tmp_path)) == ["norm/weight", "norm/bias", "norm/2"]


_ONES = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name: 'a prototxt'", "unknown kind 6"),
        (message(1, b"a net"), "no layer with weights"),
        (varint(2 << 3 | 2) + varint(2**31) + b"short", "says that it has 2147483648 bytes, and 5 follow"),
        (varint(2 << 3 | 2) + varint(2**63) + b"short", "says that it has"),
        (b"\xff" * 20, "no end"),
        (number(2, 5), "where a message should be"),
        (layer("a", [blob(_ONES, shape=(2**20, 2**20))], old=False), "'a/weight': shape .* does not fit"),
        (layer("a", [blob(_ONES, shape=(2**40,) * 3, old_shape=True)], old=True), "does not fit"),
        (layer("a", [blob(_ONES, shape=(-2, -3))], old=False), "does not fit"),
        (layer("a", [blob(_ONES, shape=[1] * 40)], old=False), "more than 32 axes"),
        (layer("a", [blob(_ONES, shape=[1] * 40, packed=False)], old=False), "more than 32 axes"),
        (layer("a", [number(1, 0)], old=True), "no numbers"),
        (layer("a", [blob(_ONES)] * 17, old=False), "more than 16 tensors"),
        (layer("a" * 501, [blob(_ONES)], old=False), "name has 501 bytes"),
        (layer("a", [blob(_ONES)], old=False) * 2, "two layers with weights called 'a'"),
        (layer("a", [], old=False) * 10_001, "more than 10000 layers"),
        (layer("a", [message(7, b"\x08")], old=False), "ends inside a number"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=words) as caught:
        read(content, tmp_path)
    assert "\n" not in str(caught.value)


def test_messages_in_messages_without_end_are_only_bytes(tmp_path: Path) -> None:
    content = b""
    for _ in range(2000):
        content = message(7, message(7, content))
    with pytest.raises(NetworkError):
        read(layer("a", [content], old=False), tmp_path)


def _damage(content: bytes, rng: random.Random) -> bytes:
    """The file cut, or with some bytes changed, taken out, put in, or made an enormous number."""
    at = rng.randrange(len(content))
    end = min(len(content), at + rng.choice((1, 2, 5, 100)))
    new = (
        b"",
        rng.randbytes(end - at),
        rng.randbytes(3) + content[at:end],
        content[at:end] * 2,
        varint(rng.choice((2**7, 2**31 - 1, 2**32, 2**63, 2**64 - 1))),
        b"\xff" * rng.randrange(1, 12),
    )
    return content[:at] if rng.random() < 0.15 else content[:at] + rng.choice(new) + content[end:]


@pytest.mark.parametrize("old", [True, False], ids=["V1 layers", "layers"])
def test_thousands_of_damaged_files_load_or_are_refused_and_take_no_memory(
    tensors: Tensors, tmp_path: Path, old: bool
) -> None:
    rng = random.Random(11)
    small = {name: array for name, array in tensors.items() if array.size < 100}
    whole = caffemodel(small, old=old) + layer("double", [blob(_ONES.astype(float), packed=False)], old=old)
    path = tmp_path / "damaged.caffemodel"
    refused = loaded = 0
    tracemalloc.start()
    with path.open("wb", buffering=0) as file:
        for _ in range(3000):
            content = whole
            for _ in range(rng.choice((1, 1, 2, 5))):
                content = _damage(content, rng) or b"\0"
            file.seek(0)
            file.truncate(file.write(content))
            try:
                found = read_tensors(path)
            except NetworkError as error:
                refused += str(error).startswith(f"{path} cannot be read") and "\n" not in str(error)
            else:
                loaded += 1
                assert sum(tensor.numel() for tensor in found.values()) * 4 <= len(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused + loaded == 3000
    assert min(refused, loaded) > 100
    assert peak < 2e6


@pytest.mark.shared
@pytest.mark.parametrize("old", [True, False], ids=["V1 layers", "layers"])
def test_the_original_weights_as_a_caffe_file_are_the_same_network(
    bvlc_weights: Path, shared: Path, tmp_path: Path, old: bool
) -> None:
    expected = read_tensors(bvlc_weights)
    path = tmp_path / "bvlc_googlenet.caffemodel"
    auxiliary = {"loss1/classifier/weight": np.ones((1000, 1024), np.float32)}
    arrays = auxiliary | {name: tensor.float().numpy() for name, tensor in expected.items()}
    path.write_bytes(caffemodel(arrays, old=old))
    found = read_tensors(path)
    network = bvlc_googlenet.load(path)
    for name, parameter in bvlc_googlenet.parameters(network).items():
        assert torch.equal(parameter, expected[name].float())
        assert torch.equal(found[name].reshape(parameter.shape), parameter)
    for photo, what in (("chelsea", "Egyptian cat"), ("coffee", "espresso")):
        assert what in recognised(network, shared, photo)
