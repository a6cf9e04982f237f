"""What is shipped is dreamt without PyTorch: in a process of its own, with an empty cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "torchvision", "onnx", "av", "pygame", "aiohttp"}

DREAM = """
import sys
import numpy as np
from livedream import Dreamer, Settings

guide, wait = sys.argv[1], sys.argv[2] == "wait"
dreamer = Dreamer("dreamnet", backend="auto", wait=wait)
image = np.random.default_rng(0).integers(0, 256, (72, 128, 3), np.uint8)
settings = Settings(working_px=96, layer="textures", octaves=2)
for changes in ({}, {"channels": "top 3"}, {"pool_gradient": "soft"}, {"guide": guide}, {"layer": "edges"}):
    settings = settings.replace(channels="", guide="").replace(**changes)
    for _ in range(2):
        residual = dreamer.tick(image, settings)
    assert np.isfinite(residual).all() and np.abs(residual).mean() > 0.1
    assert not dreamer.faults, dreamer.faults
print(dreamer.backend.name, file=sys.stderr)
dreamer.close()
print(*{name.split(".")[0] for name, module in sys.modules.items() if module is not None})
"""


def loaded_by(code, *words, home):
    result = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"LIVEDREAM_HOME": str(home)},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split()), result.stderr


@pytest.mark.parametrize("wait", ["wait", "live"])
def test_a_dream_of_what_is_shipped_loads_no_pytorch(tmp_path, wait):
    guide = tmp_path / "guide.png"
    cv2.imwrite(str(guide), np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    modules, said = loaded_by(DREAM, str(guide), wait, home=tmp_path / "home")
    assert not modules & HEAVY
    assert said.strip().startswith(("OpenVINO cpu", "ONNX Runtime cpu"))
    assert not (tmp_path / "home" / "exported").exists()  # nothing had to be made


@pytest.mark.parametrize("module", ["livedream.dream.dreamer", "livedream.dream.process"])
def test_importing_the_dream_loads_nothing_heavy(tmp_path, module):
    modules, _ = loaded_by(f"import sys, {module}; print(*sys.modules)", home=tmp_path)
    assert not {name.split(".")[0] for name in modules} & (HEAVY | {"openvino", "onnxruntime"})


def test_a_script_may_end_while_something_is_still_being_opened(tmp_path):
    code = (
        "import numpy as np; from livedream import Dreamer, Settings;"
        "dreamer = Dreamer('dreamnet', wait=False);"
        "dreamer.tick(np.zeros((72, 128, 3), np.uint8), Settings(layer='edges', working_px=128))"
    )
    _, said = loaded_by(code, home=tmp_path)
    assert said == ""
