"""The installs: what is in each of them, and that none has two packages that write the same files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LISTS = {"full": ROOT / "requirements.txt", "lean": ROOT / "requirements-lean.txt"}
#: What a lean install is for: not to download these.
HEAVY = {"torch", "torchvision", "onnx", "triton", "onnxruntime-gpu"}
RUNTIMES = {"onnxruntime", "onnxruntime-gpu"}
LEAN_BYTES = 250e6

MACHINES = [
    ("linux", "x86_64"),
    ("linux", "aarch64"),
    ("win32", "AMD64"),
    ("win32", "ARM64"),
    ("darwin", "arm64"),
    ("darwin", "x86_64"),
]


def names(lines: list[str], system: str, machine: str) -> set[str]:
    """The packages that these requirements install on a machine."""
    place = {"sys_platform": system, "platform_machine": machine, "python_full_version": "3.12.1"}
    found = map(Requirement, lines)
    return {canonicalize_name(r.name) for r in found if r.marker is None or r.marker.evaluate(place)}


def listed(kind: str) -> list[str]:
    """The lines of a hash-pinned list, without the hashes."""
    text = LISTS[kind].read_text("utf-8")
    return [line.removesuffix("\\").strip() for line in text.splitlines() if re.match(r"[a-z]", line)]


@pytest.mark.parametrize(("system", "machine"), MACHINES)
def test_no_install_has_two_onnx_runtimes(system: str, machine: str) -> None:
    core = names(PROJECT["dependencies"], system, machine)
    assert core & (RUNTIMES | {"openvino"}), "nothing would run the dream"
    assert not core & HEAVY
    for kind in ("lean", "full"):
        extra = names(PROJECT["optional-dependencies"][kind], system, machine)
        assert len((core | extra) & RUNTIMES) == 1
        assert len(names(listed(kind), system, machine) & RUNTIMES) == 1
        assert core | extra <= names(listed(kind), system, machine)
    rtx = names(PROJECT["optional-dependencies"]["rtx"], system, machine)
    assert (core | rtx) & RUNTIMES == {"onnxruntime"}
    assert {"torch", "torchvision", "onnx"} <= names(listed("full"), system, machine)
    assert not names(listed("lean"), system, machine) & HEAVY


@pytest.mark.parametrize("kind", LISTS)
def test_the_lists_pin_versions_that_the_project_allows_by_their_hashes(kind: str) -> None:
    pinned: dict[str, list[Requirement]] = {}
    for line in listed(kind):
        pinned.setdefault(canonicalize_name(Requirement(line).name), []).append(Requirement(line))
    for line in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"][kind]):
        wanted = Requirement(line)
        for found in pinned[canonicalize_name(wanted.name)]:
            (pin,) = found.specifier
            assert pin.operator == "=="
            assert wanted.specifier.contains(pin.version), line
    text = LISTS[kind].read_text("utf-8")
    assert text.count("--hash=sha256:") >= len(listed(kind))
    assert "://" not in text
    assert f"uv export --no-default-groups --extra {kind} --no-emit-project -o {LISTS[kind].name}" in text


def _downloads() -> Iterator[int]:
    """The size of each wheel that a lean install downloads on this machine, in bytes."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    wanted = {(r.name, next(iter(r.specifier)).version) for line in _here() if (r := Requirement(line))}
    order = {tag: n for n, tag in enumerate(sys_tags())}
    for package in lock["package"]:
        if (package["name"], package.get("version")) in wanted:
            ranked = []
            for wheel in package["wheels"]:
                tags = parse_wheel_filename(wheel["url"].rpartition("/")[2])[3]
                ranked += [(order[tag], wheel["size"]) for tag in tags if tag in order]
            yield min(ranked)[1]


def _here() -> list[str]:
    found = map(Requirement, listed("lean"))
    return [str(r) for r in found if r.marker is None or r.marker.evaluate()]


@pytest.mark.skipif(
    not (ROOT / "uv.lock").is_file(), reason="needs the sizes in uv.lock, which uv sync writes"
)
def test_a_lean_install_downloads_little() -> None:
    sizes = list(_downloads())
    assert len(sizes) > 20
    assert sum(sizes) <= LEAN_BYTES
