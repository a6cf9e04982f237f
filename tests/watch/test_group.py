"""Nobody of a dead show's group stays behind, whatever they do about it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from livedream.watch.group import end_group

pytestmark = pytest.mark.skipif(os.name != "posix", reason="groups of processes are POSIX's")


@pytest.mark.parametrize(
    "member",
    [
        "import time; time.sleep(600)",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    ],
    ids=["sleeps", "ignores SIGTERM", "is stopped"],
)
def test_those_who_are_left_are_ended(member):
    code = "import subprocess, sys\n"
    code += "print(subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdout=subprocess.DEVNULL).pid)"
    leader = subprocess.Popen(
        [sys.executable, "-c", code, member], stdout=subprocess.PIPE, text=True, process_group=0
    )
    left = psutil.Process(int(leader.communicate()[0]))
    assert left.is_running()
    end_group(leader.pid)
    deadline = time.monotonic() + 30  # a busy machine takes a while to bury even the killed
    while alive(left):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_group_of_which_nobody_is_left_costs_no_time():
    leader = subprocess.Popen([sys.executable, "-c", ""], process_group=0)
    leader.wait()
    end_group(leader.pid)
