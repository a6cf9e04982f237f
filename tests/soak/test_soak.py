"""Ten minutes of the soak. For hours: ``python -m tests.soak --minutes 120``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.soak.__main__ import run
from tests.soak.figures import complaints, report


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory and files as Linux does")
@pytest.mark.skipif(not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs Xvfb and xdotool")
def test_ten_minutes_with_a_fault_a_minute_leave_the_mirror_as_it_was(tmp_path: Path) -> None:
    soak = run(tmp_path / "run", minutes=10)
    assert not complaints(soak), report(soak)
