"""A child that dies or hangs is started again, with patience; one that ends is left alone."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest

from livedream.errors import LivedreamError
from livedream.ipc.supervised import Supervised
from livedream.timing import now_s, restart_delay_s

ROOT = Path(__file__).resolve().parents[2]


def well(_now: float, _started_s: float) -> str:
    return ""


def crash() -> None:
    os._exit(3)


def outgrow_memory() -> None:
    os.kill(os.getpid(), signal.SIGBUS)


def end() -> None:
    return


def sleep() -> None:
    time.sleep(600)


def wait_for(condition) -> None:
    deadline = now_s() + 30
    while not condition():
        assert now_s() < deadline, "it did not happen in 30 s"
        time.sleep(0.01)


def test_restarts_wait_longer_and_longer_but_never_for_ever():
    delays = [restart_delay_s(failures) for failures in range(1, 10)]
    assert delays == [0, 1, 2, 4, 8, 16, 32, 60, 60]


@pytest.fixture
def worker_of():
    workers = []

    def make(target, stalled=well, **more) -> Supervised:
        worker = Supervised("child", target, (), stalled, **more)
        workers.append(worker)
        worker.start(0.0)
        return worker

    yield make
    for worker in workers:
        worker.close()


def test_a_crash_is_a_fault_and_is_started_again(worker_of):
    worker = worker_of(crash)
    wait_for(lambda: worker.pid is None)
    assert worker.check(1.0) == "child ended with exit code 3; restarting"
    assert worker.faults == 1
    assert worker.check(1.0) == ""  # that was the restart
    wait_for(lambda: worker.pid is None)
    assert worker.check(2.0)
    assert worker.pid is None
    worker.check(2.5)  # the second failure waits a second
    assert worker.pid is None
    assert worker.started_s == 1.0  # not yet restarted
    worker.check(3.1)
    assert worker.started_s == 3.1


def test_an_end_that_was_to_be_is_no_fault(worker_of):
    worker = worker_of(end, ended=lambda: True)
    wait_for(lambda: worker.pid is None)
    assert worker.check(1.0) == ""
    assert worker.faults == 0


def test_a_quiet_end_without_a_reason_is_a_fault_and_is_started_again(worker_of):
    worker = worker_of(end)
    wait_for(lambda: worker.pid is None)
    assert worker.check(1.0) == "child ended with exit code 0; restarting"
    assert worker.faults == 1


def test_a_crash_is_a_fault_even_where_an_end_is_due(worker_of):
    worker = worker_of(crash, ended=lambda: True)
    wait_for(lambda: worker.pid is None)
    assert worker.check(1.0) == "child ended with exit code 3; restarting"


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="this system has no SIGBUS")
def test_a_child_without_shared_memory_is_said_to_be_that(worker_of):
    worker = worker_of(outgrow_memory)
    wait_for(lambda: worker.pid is None)
    assert "no shared memory left (/dev/shm is full or too small)" in worker.check(1.0)


def test_a_child_that_cannot_be_started_is_one_line_at_first_and_retried_later(worker_of, monkeypatch):
    worker = worker_of(crash)
    wait_for(lambda: worker.pid is None)
    worker.check(1.0)

    def refuse(_process):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(BaseProcess, "start", refuse)
        assert "child cannot start: no process for the child: Too many open files" in worker.check(1.0)
        assert (worker.failure, worker.exit_code) == ("did not start", None)  # 3 was the last one's
        with pytest.raises(LivedreamError, match=r"Too many open files; possible: .*ulimit -n"):
            Supervised("other", end, (), well).start(1.0)
    assert worker.check(1.9) == ""
    assert worker.pid is None
    worker.check(2.0)
    wait_for(lambda: worker.check(2.0) == "child ended with exit code 3; restarting")


def test_a_child_that_hangs_is_ended_and_started_again(worker_of):
    worker = worker_of(sleep, lambda now, started_s: "is silent" if now - started_s > 5 else "")
    assert worker.check(4.0) == ""
    first = worker.pid
    assert worker.check(6.0) == "child is silent; restarting"
    assert worker.failure == "hung"
    wait_for(lambda: not worker.check(6.1) and worker.pid)
    assert worker.pid != first


def test_a_child_that_does_not_end_when_told_to_is_killed(worker_of, tmp_path):
    worker = worker_of(sleep, lambda now, started_s: "is silent" if now - started_s > 5 else "")
    first = psutil.Process(worker.pid)
    os.kill(first.pid, signal.SIGSTOP)  # it cannot even be told
    began = now_s()
    assert worker.check(6.0) == "child is silent; restarting"
    assert worker.check(6.4) == ""
    assert now_s() - began < 0.4  # the show has gone on meanwhile
    assert first.is_running()
    worker.check(6.6)
    wait_for(lambda: not worker.check(6.7) and worker.pid)
    assert not first.is_running()
    assert worker.pid != first.pid


@pytest.mark.parametrize(("well_s", "again_s"), [(11.0, 390.0), (9.0, 394.0), (0.0, 394.0)])
def test_a_child_that_made_progress_has_a_clean_record_and_one_that_only_lived_has_not(
    worker_of, well_s, again_s
):
    times = iter([0.0, 0.0, 0.0, well_s])
    worker = worker_of(crash, well_s=lambda: next(times))
    for failed_s in (90.0, 190.0, 290.0, 390.0):  # each has lived for almost a hundred seconds
        wait_for(lambda: worker.pid is None)
        assert worker.check(failed_s)
        assert worker.check(failed_s) == worker.check(failed_s + 3.9) == ""
        if failed_s < 390.0 or worker.started_s != again_s:
            worker.check(failed_s + 4.0)
    assert worker.started_s == again_s


def test_closing_leaves_no_process(worker_of):
    worker = worker_of(sleep)
    assert worker.pid is not None
    worker.close()
    worker.close()
    assert worker.pid is None


LOADING = """
import os, sys, time
from livedream.ipc.supervised import Supervised

if __name__ == "__main__":
    from tests.ipc import slow_to_load
    child = Supervised("child", slow_to_load.never, (), lambda now, started_s: "")
    child.start(0.0)
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
    print(child.pid, flush=True)
    os._exit(9)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel ends the children of a dead process")
def test_a_child_that_hangs_while_it_loads_ends_with_its_parent(tmp_path):
    script, sign = tmp_path / "parent.py", tmp_path / "loading"
    script.write_text(LOADING)
    env = os.environ | {"PYTHONPATH": str(ROOT), "SLOW_TO_LOAD": str(sign)}
    result = subprocess.run(
        [sys.executable, str(script), str(sign)],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    pid = int(result.stdout)
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
