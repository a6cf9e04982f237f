"""The real exporting process: it answers, goes on after a refusal, and never outlives its parent."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from livedream.errors import BackendError
from livedream.networks.graphs import GraphSpec
from livedream.runtimes.exporter import Exporter, ExportRequest

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "livedream.runtimes.export_process"],
                         stdin=subprocess.PIPE, start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.full
def test_it_exports_also_after_a_layer_that_cannot_be_exported(tmp_path):
    exporter = Exporter()
    try:
        with pytest.raises(BackendError, match="unknown layer 'nope'"):
            exporter.export(ExportRequest(spec=GraphSpec("dreamnet", "nope"), folder=str(tmp_path)))
        request = ExportRequest(spec=GraphSpec("dreamnet", "edges"), folder=str(tmp_path))
        assert exporter.export(request).is_file()
    finally:
        exporter.close()


def test_it_ends_when_its_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    with parent, parent.stdout as output:
        child = psutil.Process(int(output.readline()))
        parent.kill()
        deadline = time.monotonic() + 60
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)
