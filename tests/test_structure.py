"""The house has floors: imports run downward only, and the front door opens quickly."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "livedream"
GROUND = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"} | {"data"}
#: Each room and the rooms that it may import, besides the ground floor.
MAY_IMPORT = {
    "data": set(),
    "ipc": set(),
    "vision": set(),
    "networks": set(),
    "compile": {"networks"},
    "runtimes": {"networks", "ipc"},
    "sources": {"ipc"},
    "audio": {"ipc"},
    "dream": {"ipc", "vision", "networks", "runtimes"},
    "controls": set(),
    "performance": {"controls", "networks"},
    "stage": {"vision"},
    "sinks": set(),
    "watch": set(),
    "health": {"watch"},
    "web": {"sinks", "controls", "health"},
    "room": {"ipc", "networks", "runtimes", "dream", "web"},
    "rendering": {"networks", "dream", "sources", "sinks", "stage", "vision", "performance", "room"},
}
MAY_IMPORT["show"] = set(MAY_IMPORT) - {"compile", "room", "rendering"}
MAY_IMPORT["bench"] = {"ipc", "vision", "networks", "runtimes", "sources", "dream"}
MAY_IMPORT["cli"] = set(MAY_IMPORT)
#: One file may do what its room may not: the process that exports gradients compiles them.
EXCEPTIONS = {"runtimes/export_process.py": {"compile"}}
LONGEST_FILE = 350

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> set[str]:
    """The modules of livedream that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("livedream.")}


def _rooms(modules: set[str]) -> set[str]:
    return {name.split(".")[1] for name in modules}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_room_imports_only_what_it_may(path):
    place = path.relative_to(PACKAGE)
    room = place.parts[0]
    allowed = GROUND | {room} | MAY_IMPORT[room] | EXCEPTIONS.get(place.as_posix(), set())
    assert _rooms(_imports(path)) <= allowed


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_the_ground_floor_imports_only_itself(path):
    doors = {"__init__": {"dream", "sources"}, "__main__": {"cli"}}  # lazily, to what they open
    assert _rooms(_imports(path)) - GROUND <= doors.get(path.stem, set())


def test_no_modules_import_each_other_in_a_circle():
    modules = {_module(path): path for path in PACKAGE.rglob("*.py")}
    arrows = {name: _imports(path) & set(modules) for name, path in modules.items()}
    remaining = dict(arrows)
    while free := [name for name, to in remaining.items() if not to & set(remaining) - {name}]:
        for name in free:
            del remaining[name]
    assert not remaining, f"circle among {sorted(remaining)}"


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_no_file_grows_too_long(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_FILE


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


def test_a_mistake_in_a_command_is_answered_before_anything_heavy_is_loaded():
    loaded = _loaded_by("from livedream.cli.mirror import mirror_parser; mirror_parser()")
    assert not loaded & {"cv2", "numpy", "pygame", "av", "aiohttp", "msgspec"}


def test_the_show_never_imports_torch():
    assert not _loaded_by("import livedream.show.mirror, livedream.cli.main") & {"torch", "torchvision"}


def test_loading_the_shipped_network_does_not_load_torch():
    loaded = _loaded_by("from livedream import Dreamer; Dreamer('dreamnet', device='cpu')")
    assert not loaded & {"torch", "torchvision", "onnx"}


@pytest.mark.full
def test_pytorch_is_loaded_without_its_compiler():
    loaded = _loaded_by("from livedream import Dreamer; Dreamer('dreamnet', device='cpu', backend='pytorch')")
    assert "torch" in loaded
    assert "triton" not in loaded


def test_the_camera_never_imports_torch():
    assert not _loaded_by("import livedream.sources.process") & {"torch", "torchvision", "pygame", "aiohttp"}


def test_openvino_reports_to_nobody():
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from livedream.runtimes.openvino import has_gpu;"
            "found = has_gpu(); import openvino.tools.ovc;"
            "print(found, *(name for name, module in sys.modules.items() if module is not None))",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    ).stdout
    assert "openvino.tools.ovc.telemetry_stub" in loaded
    assert "openvino_telemetry" not in loaded
