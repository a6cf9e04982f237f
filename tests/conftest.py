"""Shared by all tests: one thread each, pictures, and skips with a reason."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

# Two test processes with two busy threads each on two cores are ten times slower than with one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import pytest

from livedream.errors import MissingPackageError
from livedream.extras import missing_packages
from livedream.frame import Image
from livedream.networks import catalogue

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"

#: Empty in a full install.
MISSING = missing_packages()
LEAN = f"needs the full install: without {', '.join(MISSING)} here"
if MISSING:
    collect_ignore = ["training"]  # whose conftest.py needs it


class _Module(pytest.Module):
    """A test file, skipped as a whole when it imports what a lean install does without."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        try:
            return super().collect()
        except self.CollectError as error:
            if re.search(rf"ModuleNotFoundError: .*\b({'|'.join(MISSING)})\b", str(error)):
                pytest.skip(LEAN, allow_module_level=True)
            raise


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return _Module.from_parent(parent, path=module_path) if MISSING else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Skip what a fixture cannot make in a lean install: PyTorch as the backend, say."""
    try:
        return (yield)
    except MissingPackageError as error:
        if MISSING:
            pytest.skip(f"{LEAN}; {error}")
        raise


def pytest_sessionstart() -> None:
    """Load Triton, which PyTorch loads at some point, before any test draws with OpenGL.

    Both contain LLVM: where Mesa's (llvmpipe) comes first, the process dies when Triton's is loaded.
    """
    if importlib.util.find_spec("triton") is not None:
        importlib.import_module("triton")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skips = {
        "shared": (not SHARED.is_dir(), f"needs the real weights and footage in {SHARED.name}/, not here"),
        "screen": (
            not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")),
            "needs a display: run under xvfb-run",
        ),
        "slow": (not os.environ.get("LIVEDREAM_SLOW"), "takes long: set LIVEDREAM_SLOW=1"),
        "full": (bool(MISSING), LEAN),
        "gpu": (not Path("/dev/nvidiactl").exists(), "needs an NVIDIA GPU"),
    }
    for item in items:
        for marker, (missing, reason) in skips.items():
            if missing and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    cv2.setNumThreads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real weights and footage."""
    return SHARED


@pytest.fixture(scope="session")
def bvlc_weights() -> Path:
    """The original DeepDream network's weights."""
    return SHARED / "weights" / "bvlc_googlenet.npz"


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One home for the session: the user's own folders stay as they are, and exported graphs are shared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVEDREAM_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def _no_place(_own_home: None) -> None:
    """What one test sets for its place is not there for the next."""
    (Path(os.environ["LIVEDREAM_HOME"]) / "settings" / "place.toml").unlink(missing_ok=True)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's networks folder, empty, where nothing is shipped and nothing is in torchvision's cache."""
    folder = tmp_path / "home" / "networks"
    folder.mkdir(parents=True)
    monkeypatch.setenv("LIVEDREAM_HOME", str(folder.parent))
    monkeypatch.setattr(catalogue, "MODELS_DIR", tmp_path / "nothing shipped")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return folder


@pytest.fixture
def picture() -> Image:
    """A small picture with edges, blobs and colour: RGB uint8 (120, 160, 3), the same each time."""
    rng = np.random.default_rng(7)
    noise = cv2.GaussianBlur(rng.normal(size=(120, 160, 3)).astype(np.float32), (0, 0), 4)
    image = np.clip(128 + noise * 400, 0, 255).astype(np.uint8)
    cv2.circle(image, (80, 60), 25, (220, 180, 40), -1)
    cv2.rectangle(image, (20, 20), (50, 100), (30, 60, 200), 3)
    return image
