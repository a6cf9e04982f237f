"""The real command, where PyTorch, and then OpenVINO too, is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: As quick as it gets: small matrices, a few runs, and just enough frames.
BENCH = """
import sys
for name in sys.argv[2:]:
    sys.modules[name] = None
from livedream.bench import machine, mirror, run
machine._SIDE = machine._HALF_SIDE = 128
mirror.WARM_UP, mirror._STRENGTHS = 4, 1
run._QUICK_S, run._QUICK_FRAMES = 0.1, 20
from livedream.cli.main import main
code = main(["bench", "--quick", "--size", "96x64", "--json", sys.argv[1]])
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("absent", [(), ("openvino",)], ids=["with OpenVINO", "without OpenVINO"])
def test_without_pytorch_the_rest_is_measured(absent, tmp_path):
    runtimes = {"openvino", "openvino-fp32", "onnxruntime"}
    for runtime in {"openvino", "onnxruntime"} - set(absent):
        pytest.importorskip(runtime)
    path = tmp_path / "b.json"
    result = subprocess.run(
        [sys.executable, "-c", BENCH, str(path), "torch", "torchvision", "onnx", *absent],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    found = json.loads(path.read_text())
    rows = {row["runtime"]: row for row in found["steps"]}
    assert set(rows) == {name for name in runtimes if name.split("-")[0] not in absent}
    assert all(row["ratio_to_eager"] is None for row in rows.values())
    assert all(row["of_ceiling"] > 0 for row in rows.values() if row["name"].endswith(("fp32", "cpu")))
    assert any("pytorch-fp32" in line and "not installed" in line for line in found["missing"])
    assert found["mirror"]["strength"] > 0
    assert found["mirror"]["ticks_per_s"] > 0
    assert found["mirror"]["backend"].startswith("ONNX Runtime" if absent else "OpenVINO")
    for name in absent:
        assert any(line.startswith(f"no {name} ceiling") for line in found["missing"])
