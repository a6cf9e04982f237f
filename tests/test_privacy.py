"""Nothing is looked up and nobody is called: every system call of a mirror's processes is watched."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[1]
PORT = 8470
#: ONNX Runtime calls 8 s after its import, and keeps quiet where one of these is set.
CI = {"APPVEYOR", "BITBUCKET_BUILD_NUMBER", "BUILDKITE", "CI", "CIRCLECI", "CODEBUILD_BUILD_ID"}
CI |= {"GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TEAMCITY_VERSION", "TF_BUILD", "TRAVIS"}
TICKS = 300  # 10 s at the rate below


def calls(trace: str) -> list[str]:
    """The system calls that look up a name, or send to another machine."""
    addressed = [line for line in trace.splitlines() if "sa_family=" in line]
    looked_up = re.compile(r"Resolve|htons\(53\)")
    local = re.compile(r'AF_UNIX|inet_addr\("127\.|AF_INET6.*"::1"|AF_NETLINK|AF_UNSPEC')
    return [line for line in addressed if looked_up.search(line) or not local.search(line)]


def status() -> dict:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/status.json", timeout=5) as answer:
            return json.load(answer)
    except OSError:
        return {}


def strace(trace: Path, *command: str) -> list[str]:
    calls = "--trace=connect,sendto,sendmsg,sendmmsg"
    return ["strace", "--follow-forks", "--seccomp-bpf", calls, f"--output={trace}", *command]


@pytest.fixture
def traced(tmp_path):
    """Starts livedream under strace, where no environment says that this is a test."""
    trace, home = tmp_path / "trace", tmp_path / "home"
    home.mkdir()
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    probe = subprocess.run(strace(trace, "true"), capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"strace may not trace here: {probe.stderr.strip()}")
    quieting = CI | {"ORT_DISABLE_TELEMETRY"}
    env = {name: value for name, value in os.environ.items() if name not in quieting}
    words = ["live.py", "--source", "clouds", "--headless", "--backend", "onnxruntime", "--layer", "edges"]
    words += ["--working-px", "96", "--size", "160x90", "--dream-rate-hz", "30", "--port", str(PORT)]
    process = subprocess.Popen(
        strace(trace, sys.executable, *words), cwd=ROOT, env=env | {"HOME": str(home)}, text=True
    )
    yield process, trace, home
    for mirror in psutil.Process(process.pid).children():  # strace, when it is ended itself, lets go of it
        mirror.terminate()
    process.wait()


def test_a_mirror_with_onnx_runtime_calls_nobody(traced):
    process, trace, home = traced
    deadline, until, found = time.monotonic() + 300, None, {}
    while until is None or found.get("ticks", 0) < until:
        assert process.poll() is None
        assert time.monotonic() < deadline, found
        found = status() or found
        if until is None and found.get("backend", "").startswith("ONNX Runtime"):
            until = found["ticks"] + TICKS
        time.sleep(0.2)
    assert calls(trace.read_text()) == []
    assert not list(home.rglob("deviceid"))
