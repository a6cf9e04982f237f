"""A minute of 10,000 malformed OSC datagrams a second costs a mirror hardly a picture, and no memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SECONDS = 60
#: Of the pictures while the same datagrams go to a port where nobody reads them.
PICTURES = 0.9
MEMORY_MB = 20


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_minute_of_malformed_osc_costs_no_pictures_and_no_memory():
    words = ["garbage", "--seconds", str(SECONDS), "--turns", "2", "--"]
    mirror = ["--headless", "--port", "0", "--source", "clouds", "--working-px", "128"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.osc", *words, *mirror],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr
    means = json.loads(done.stdout.splitlines()[-1])
    assert means["received_hz"] > 0
    assert means["pictures"] >= PICTURES, done.stdout
    assert means["memory_mb"] <= MEMORY_MB, done.stdout
