"""Weight files of every kind: read by what they are, refused when damaged, and never run."""

from __future__ import annotations

import pickle
import random
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from livedream.errors import NetworkError
from livedream.networks import weights
from livedream.networks.weights import fill, read_tensors
from tests.networks.caffe_files import caffemodel

TENSORS = {"a/weight": torch.arange(12.0).reshape(4, 3), "a/bias": torch.linspace(-1, 1, 4)}


def _npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **{name: tensor.numpy() for name, tensor in TENSORS.items()})


def _safetensors(path: Path) -> None:
    save_file(TENSORS, path)


def _pth(path: Path) -> None:
    state = OrderedDict(TENSORS)
    state["a/counter"] = torch.tensor(3)
    torch.save(state, path)


def _old_pth(path: Path) -> None:
    parameters = {name: nn.Parameter(tensor) for name, tensor in TENSORS.items()}
    torch.save(parameters, path, _use_new_zipfile_serialization=False)


def _caffemodel(path: Path) -> None:
    path.write_bytes(caffemodel({name: tensor.numpy() for name, tensor in TENSORS.items()}, old=False))


WRITERS: dict[str, Callable[[Path], None]] = {
    "a.npz": _npz,
    "a.safetensors": _safetensors,
    "a.pth": _pth,
    "old.pt": _old_pth,
    "a.caffemodel": _caffemodel,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_gives_the_same_tensors(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    found = read_tensors(tmp_path / name)
    assert all(torch.equal(found[key], tensor) for key, tensor in TENSORS.items())


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "a.caffemodel"])
def test_the_content_counts_not_the_name(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / "download.bin")
    assert set(read_tensors(tmp_path / "download.bin")) >= set(TENSORS)


def _refused(path: Path, words: str) -> None:
    with pytest.raises(NetworkError, match=words) as caught:
        read_tensors(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_empty_foreign_and_enormous_files_are_refused(tmp_path: Path) -> None:
    _refused(tmp_path / "none.pth", "no such file")
    _refused(tmp_path, "no such file")
    empty = tmp_path / "empty.caffemodel"
    empty.touch()
    _refused(empty, "0 bytes; possible: 1 to")
    text = tmp_path / "notes.txt"
    text.write_text("not weights")
    _refused(text, r"another kind; possible: \.npz, \.safetensors, \.pth, \.caffemodel")
    with (tmp_path / "enormous.caffemodel").open("wb") as file:
        file.truncate(2**31 + 1)  # takes no space on the disk
    _refused(tmp_path / "enormous.caffemodel", "2147483649 bytes")


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_cut_anywhere_or_changed_loads_or_is_refused(name: str, tmp_path: Path) -> None:
    rng = random.Random(5)
    path = tmp_path / name
    WRITERS[name](path)
    whole = path.read_bytes()
    for n in range(300):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(len(whole))] = rng.randrange(256)
        path.write_bytes(whole[: n * len(whole) // 150] if n < 150 else damaged)
        try:
            found = read_tensors(path)
        except NetworkError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert n >= 150
            assert sum(tensor.untyped_storage().nbytes() for tensor in found.values()) < len(whole)


class Code:
    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('the file ran its own code')",))


class Bomb:
    """Asks for memory by a function that PyTorch thinks harmless."""

    def __reduce__(self) -> tuple[object, ...]:
        return (bytearray, (10**12,))


@pytest.mark.parametrize("new", [True, False], ids=["zip", "pickle"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": Code()}, r"builtins\.exec|__builtin__\.exec"),
        ({"a": Bomb()}, "bytearray"),
        ({"a": 3}, "not a state dict of tensors"),
        ([1, 2], "not a state dict of tensors"),
        ({"a": nn.Linear(2, 2)}, "torch.nn.modules.linear.Linear"),
    ],
)
def test_a_pickle_may_hold_tensors_and_nothing_else(
    content: object, words: str, new: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.pth"
    torch.save(content, path, _use_new_zipfile_serialization=new)
    _refused(path, words)


@pytest.mark.parametrize("protocol", range(6))
def test_a_bare_pickle_with_code_never_runs(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps(Code(), protocol))
    _refused(path, "cannot be read")


def test_a_pickle_that_would_fill_the_memory_with_objects_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"\x80\x02(" + b"N" * 2_000_000 + b"l.")
    _refused(path, "more than 1000000 operations")


def test_an_array_of_objects_never_loads(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array([{"a": 1}], object))
    _refused(tmp_path / "a.npz", "cannot be read")


def test_an_archive_that_unpacks_to_more_than_it_may_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "LARGEST_BYTES", 100_000)
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(50_000, np.float32))
    _refused(tmp_path / "bomb.npz", "unpacks to 200128 bytes; possible: 100000")
    _pth(tmp_path / "stored.pth")
    with (
        zipfile.ZipFile(tmp_path / "stored.pth") as stored,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in stored.namelist():
            bomb.writestr(entry, stored.read(entry) + bytes(100_000))
    _refused(tmp_path / "bomb.pth", "unpacks to")


def test_an_array_may_not_claim_more_than_its_file_holds(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    header += b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    _refused(tmp_path / "a.npz", "cannot be read")


def _parameters() -> dict[str, Tensor]:
    return {name: torch.zeros_like(tensor) for name, tensor in TENSORS.items()}


def test_filling_copies_by_name_and_takes_half_precision_and_older_shapes() -> None:
    parameters = _parameters()
    found = {"a/weight": TENSORS["a/weight"].half()[None, None], "a/bias": TENSORS["a/bias"].double()}
    fill(parameters, found | {"further": torch.zeros(9)}, Path("a.npz"), "a network")
    assert all(torch.equal(parameter, TENSORS[name]) for name, parameter in parameters.items())


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("a/bias", torch.zeros(4, 1), r"a\.npz is not net: 'a/bias' has shape \(4, 1\), expected \(4,\)"),
        ("a/weight", torch.zeros(3, 4), r"'a/weight' has shape \(3, 4\), expected \(4, 3\)"),
        ("a/bias", torch.tensor([1, 2, torch.nan, 4]), "damaged: 'a/bias'"),
        ("a/bias", torch.tensor([1, 2, torch.inf, 4]), "damaged: 'a/bias'"),
        ("a/bias", torch.full((4,), 1e300, dtype=torch.float64), "damaged: 'a/bias'"),
        ("a/bias", torch.arange(4), r"damaged: 'a/bias' \(torch\.int64\)"),
        ("a/bias", torch.zeros(4, dtype=torch.complex64), "damaged: 'a/bias'"),
    ],
)
def test_the_first_tensor_that_does_not_fit_is_named(name: str, tensor: Tensor, words: str) -> None:
    with pytest.raises(NetworkError, match=words):
        fill(_parameters(), TENSORS | {name: tensor}, Path("a.npz"), "net")


def test_a_missing_tensor_is_named_with_what_is_there_instead() -> None:
    with pytest.raises(NetworkError, match=r"is not net: it has no tensor 'a/weight'; found 'a/bias', …"):
        fill(_parameters(), {"a/bias": TENSORS["a/bias"]}, Path("a.npz"), "net")
