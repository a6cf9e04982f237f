"""A system that gives too little: what can run does, and what cannot says so in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

resource = pytest.importorskip("resource")

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["--source", "clouds", "--headless", "--size", "160x90", "--working-px", "64", "--layer", "edges"]


def with_open_files(most: int, *words: str) -> subprocess.CompletedProcess[str]:
    """A small mirror that may have so many files open."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    command = [sys.executable, str(ROOT / "live.py"), *WORDS, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, preexec_fn=limit)


def test_64_open_files_are_enough(tmp_path, row):
    stats = tmp_path / "stats.json"
    result = with_open_files(64, "--preview", "--port", "0", "--frames", "20", "--stats", str(stats))
    assert result.returncode == 0, result.stderr
    found = json.loads(stats.read_text())
    assert found["frames"] >= 20
    assert found["faults"] == 0
    row("only 64 open files", "ulimit -n 64", None, None)


def test_too_few_open_files_are_one_line(row):
    result = with_open_files(20, "--frames", "1")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "Too many open files; possible: allow more open files (ulimit -n)" in line
