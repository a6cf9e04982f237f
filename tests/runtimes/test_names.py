"""The command line lists the backends, so their names load nothing heavy."""

from __future__ import annotations

import subprocess
import sys

from livedream.runtimes.names import BACKENDS


def test_the_names_load_neither_torch_nor_numpy():
    code = "import sys, livedream.runtimes.names; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "livedream.runtimes.names" in loaded.split()
    assert not {"torch", "numpy"} & set(loaded.split())


def test_pytorch_is_one_of_them():
    assert "pytorch" in BACKENDS
