"""A lean install: the whole program where PyTorch, torchvision and onnx cannot be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from livedream.extras import FULL_PACKAGES

ROOT = Path(__file__).resolve().parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    """An environment whose Pythons, child processes among them, cannot import some packages."""

    def environment(*packages: str) -> dict[str, str]:
        folder = tmp_path_factory.mktemp("without")
        code = f"import sys; sys.modules.update(dict.fromkeys({packages!r}))\n"
        (folder / "sitecustomize.py").write_text(code)
        return os.environ | {"PYTHONPATH": str(folder)}

    return environment


@pytest.fixture
def live(without: Callable[..., dict[str, str]], tmp_path: Path) -> Run:
    """Runs ``live.py`` in a lean install, with a home of its own."""

    def run(*words: object, missing: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, ROOT / "live.py", *map(str, words)],
            env=without(*FULL_PACKAGES, *missing) | {"LIVEDREAM_HOME": str(tmp_path / "home")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


SMALL = ("--headless", "--port", "0", "--source", "clouds", "--working-px", "96", "--size", "160x90")


@pytest.mark.parametrize(
    "missing", [(), ("openvino",), ("onnxruntime",)], ids=["both", "no openvino", "no ort"]
)
def test_the_mirror_dreams_with_what_is_shipped(live: Run, tmp_path: Path, missing: tuple[str, ...]) -> None:
    result = live(*SMALL, "--frames", 10, "--stats", "s.json", "--snapshot", "s.png", missing=missing)
    assert result.returncode == 0, result.stderr
    stats = json.loads((tmp_path / "s.json").read_text())
    assert (stats["network"], stats["layer"], stats["frames"]) == ("dreamnet", "patterns", 10)
    name = {(): "OpenVINO", ("openvino",): "ONNX Runtime", ("onnxruntime",): "OpenVINO"}[missing]
    assert stats["backend"].startswith(name)
    assert (tmp_path / "s.png").stat().st_size > 10_000


@pytest.mark.parametrize("words", [(), ("--classic",)], ids=["mirror", "classic"])
def test_a_photograph_is_rendered(live: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    small = () if words else ("--frames", 3, "--working-px", 96)
    result = live("render", ROOT / "models" / "photograph.jpg", "out.png", *words, *small)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--network", "vgg16", *SMALL), "dreaming vgg16 features.22 (not exported here)"),
        (("render", "clouds", "out.mp4", "--frames", 2, "--network", "resnet34"), "dreaming resnet34 "),
        (("--backend", "pytorch", *SMALL), "--backend pytorch"),
        (("models", "fetch", "vgg16"), "installing the weights of vgg16"),
        (("models", "import", "a.npz", "--as", "bvlc_googlenet"), "installing the weights of bvlc_googlenet"),
        (("models", "export", "dreamnet"), "exporting dreamnet"),
        (("models", "verify"), "comparing exported files with autograd"),
    ],
)
def test_what_needs_pytorch_says_which_command_adds_it(live: Run, words: tuple[str, ...], what: str) -> None:
    result = live(*words)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"livedream: {what}")
    assert line.endswith("needs PyTorch, which is not installed; to add it: uv sync")


def test_a_runtime_that_is_missing_is_named_with_the_command_that_adds_it(live: Run) -> None:
    result = live(*SMALL, "--backend", "onnxruntime", missing=("onnxruntime",))
    assert (result.returncode, result.stderr) == (
        1,
        "livedream: --backend onnxruntime needs ONNX Runtime, which is not installed; to add it:"
        " uv sync --no-default-groups --extra lean\n",
    )


def test_with_no_runtime_at_all_one_line_says_how_to_add_them(live: Run) -> None:
    result = live(*SMALL, "--frames", 2, missing=("openvino", "onnxruntime"))
    assert result.returncode == 1
    line = result.stderr.splitlines()[-1]
    assert "dreaming dreamnet needs OpenVINO, ONNX Runtime or PyTorch, and none is installed" in line
    assert "Traceback" not in result.stderr


def test_doctor_and_lists_do_without(live: Run) -> None:
    said = live("doctor").stdout
    assert "--  install    lean, without torch, torchvision, onnx" in said
    assert "5 of 5 layers exported" in said
    assert "not installed: bvlc_googlenet" in said
    for words in (("models", "list"), ("models", "list", "vgg16"), ("scenes", "list"), ("--version",)):
        result = live(*words)
        assert (result.returncode, result.stderr) == (0, "")
