"""The house has floors: imports run downward only, and the front door opens quickly."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "livedream"
GROUND = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
MAY_IMPORT = {
    "sources": set(),
    "networks": set(),
    "stage": set(),
    "controls": set(),
    "dream": {"networks"},
    "show": {"sources", "networks", "stage", "controls", "dream"},
}


def _imports(path: Path) -> set[str]:
    """The parts of livedream that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("livedream.")}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.glob("*/*.py")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_floor_imports_only_what_is_below(path):
    floor = path.parent.name
    assert floor in MAY_IMPORT
    assert _imports(path) - GROUND - {floor} <= MAY_IMPORT[floor]


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_the_ground_floor_stands_on_itself(path):
    above = {"dream"} if path.stem == "__init__" else set()  # the package's door leads to the dreamer, lazily
    assert _imports(path) - GROUND <= above | ({"sources"} if path.stem == "__init__" else set())


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return {name.split(".")[0] for name in result.stdout.split()}


def test_importing_the_package_loads_nothing_heavy():
    assert not _loaded_by("import livedream") & {
        "torch",
        "torchvision",
        "cv2",
        "numpy",
        "pygame",
        "av",
        "aiohttp",
    }


def test_the_show_never_imports_torch():
    assert not _loaded_by("import livedream.show.mirror, livedream.show.command") & {"torch", "torchvision"}


def test_loading_the_shipped_network_does_not_load_torchs_compiler():
    loaded = _loaded_by("from livedream import Dreamer; Dreamer('dreamnet', device='cpu')")
    assert "torch" in loaded
    assert "triton" not in loaded


def test_the_camera_never_imports_torch():
    assert not _loaded_by("import livedream.sources.process") & {"torch", "torchvision", "pygame", "aiohttp"}


def test_openvino_reports_to_nobody():
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, torch; from livedream.networks.runtimes import candidates;"
            "found = candidates(torch.device('cpu')); import openvino;"
            "print(found, *(name for name, module in sys.modules.items() if module is not None))",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    ).stdout
    assert "openvino.tools.ovc.telemetry_stub" in loaded
    assert "openvino_telemetry" not in loaded
