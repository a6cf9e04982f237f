"""Every file that a show finds at its start is damaged, and it begins all the same: the real command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from livedream.show.resume import state_path

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["--source", "clouds", "--headless", "--port", "0", "--size", "160x90", "--working-px", "64"]
WORDS += ["--layer", "edges", "--frames", "10", "--scene", "mine"]
DAMAGE = {
    "zeros after a power cut": b"\0" * 4096,
    "nested": b"a = " + b"[" * 50_000,
    "an enormous number": b"key = 7\nfade_s = " + b"9" * 50_000,
    "600,000 keys": b"".join(b"k%d = 1\n" % n for n in range(600_000)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_show_begins_with_nothing_but_damaged_files(damage, tmp_path, monkeypatch, row):
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    state = state_path(WORDS)
    files = [state, tmp_path / "measured" / "runtimes.json", tmp_path / "exported" / "dreamnet-edges.json"]
    files += [tmp_path / "exported" / "dreamnet-edges.onnx"]
    files += [tmp_path / "scenes" / f"{name}.toml" for name in ("mine", "attract", "eyes")]
    for path in files:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(DAMAGE[damage])
    command = [sys.executable, str(ROOT / "live.py"), *WORDS, "--resume"]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    said = result.stderr.splitlines()
    assert len([line for line in said if "beginning without the scene: scene" in line]) == 1
    assert len([line for line in said if "what was shown before is not used" in line]) == 1
    assert len(said) < 20
    assert max(map(len, said)) < 600
    assert not state.exists()
    assert list(state.parent.glob(f"{state.name}.damaged-*"))
    row("every file damaged at start", damage, None, None)
