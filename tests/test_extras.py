"""What only the full install has: how it is asked for, and what is said without it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from livedream import extras
from livedream.errors import MissingPackageError


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.fixture
def as_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if livedream were installed in site-packages."""
    monkeypatch.setattr(extras, "__file__", str(tmp_path / "livedream" / "extras.py"))


def test_what_is_there_is_imported_without_a_word() -> None:
    extras.require("json", "reading a file")
    assert extras.installed("json")


@pytest.mark.usefixtures("without_torch")
def test_what_is_missing_is_named_with_the_command_that_adds_it() -> None:
    assert not extras.installed("torch")
    assert "torch" in extras.missing_packages()
    with pytest.raises(MissingPackageError) as raised:
        extras.require("torch", "dreaming vgg16")
    assert str(raised.value) == ("dreaming vgg16 needs PyTorch, which is not installed; to add it: uv sync")
    assert raised.value.exit_code == 1


def test_what_cannot_be_loaded_is_named_with_the_reason_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_there.py").write_text('raise OSError("libnothing.so: cannot open\\nsecond line")')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackageError, match=r"cannot be loaded \(libnothing.so: cannot open\); to ins"):
        extras.require("half_there", "a dream")


@pytest.mark.usefixtures("as_package")
@pytest.mark.parametrize(
    ("system", "machine", "here", "says"),
    [
        ("linux", "x86_64", (), 'pip install "livedream[full]"'),
        ("linux", "x86_64", ("onnxruntime-gpu",), 'pip install "livedream[full]"'),
        (
            "linux",
            "x86_64",
            ("onnxruntime",),
            'pip uninstall -y onnxruntime, then pip install "livedream[full]"',
        ),
        (
            "win32",
            "AMD64",
            ("onnxruntime",),
            'pip uninstall -y onnxruntime, then pip install "livedream[full]"',
        ),
        ("darwin", "arm64", ("onnxruntime",), 'pip install "livedream[full]"'),
        ("linux", "aarch64", ("onnxruntime",), 'pip install "livedream[full]"'),
    ],
)
def test_the_package_becomes_full_without_two_onnx_runtimes(
    system: str, machine: str, here: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(extras, "onnx_runtimes", lambda: here)
    assert extras.full_command() == says
    assert extras.lean_command() == 'pip install "livedream[lean]"'
