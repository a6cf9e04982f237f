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


#: What a mirror may write without being asked, below the home that it is given; see docs/privacy-notice.md.
CACHES = r"\.cache/livedream(/(measured|exported)(/[\w.-]+)?)?|\.local|\.cache|\.config"
#: Shared memory, gone with the mirror; the graphics driver's own cache; Python's, of itself.
ELSEWHERE = r"/dev/shm/livedream-[\w-]+|/dev/null|/.*/mesa_shader_cache(_db)?(/.*)?|/.*/__pycache__(/.*)?"


def calls(trace: str) -> list[str]:
    """The system calls that look up a name, or send to, or listen to, another machine."""
    addressed = [line for line in trace.splitlines() if "sa_family=" in line]
    looked_up = re.compile(r"Resolve|htons\(53\)")
    local = re.compile(r'AF_UNIX|inet_addr\("127\.|AF_INET6.*"::1"|AF_NETLINK|AF_UNSPEC')
    asked = [line for line in trace.splitlines() if "/etc/resolv.conf" in line or "/etc/hosts" in line]
    return asked + [line for line in addressed if looked_up.search(line) or not local.search(line)]


def written(trace: str) -> set[str]:
    """The files that were opened for writing, made, renamed or linked, and the folders that were made."""
    opened = re.findall(r'openat\(\w+<([^>]*)>, "([^"]*)", ([\w|]+)', trace)
    found = {
        os.path.join(folder, path) for folder, path, how in opened if re.search("WRONLY|RDWR|CREAT", how)
    }
    moves = r'(?:rename|link|symlink|mkdir)(?:at2?)?\([^"]*(?:"[^"]*", (?:\w+<[^>]*>, )?)?"([^"]*)"'
    return found | set(re.findall(moves, trace))


def unasked(trace: str, home: Path) -> list[str]:
    """What was written beside the mirror's caches and what was asked for, which is in ``home / "asked"``."""
    allowed = re.compile(rf"{re.escape(str(home))}/({CACHES}|asked(/\.|/out\.mp4)?)|{ELSEWHERE}")
    return sorted(path for path in written(trace) if not allowed.fullmatch(path))


def status() -> dict:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/status.json", timeout=5) as answer:
            return json.load(answer)
    except OSError:
        return {}


def strace(trace: Path, *command: str) -> list[str]:
    files = "openat,creat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat"
    calls = f"--trace=connect,bind,sendto,sendmsg,sendmmsg,{files}"
    words = ["strace", "--follow-forks", "--seccomp-bpf", "--decode-fds=path", "--string-limit=4096"]
    return [*words, calls, f"--output={trace}", *command]


@pytest.fixture
def traced(tmp_path):
    """Starts livedream under strace, where no environment says that this is a test."""
    trace, home = tmp_path / "trace", tmp_path / "home"
    (home / "asked").mkdir(parents=True)
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    probe = subprocess.run(strace(trace, "true"), capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"strace may not trace here: {probe.stderr.strip()}")
    quieting = CI | {"ORT_DISABLE_TELEMETRY", "LIVEDREAM_HOME"}
    quieting |= {name for name in os.environ if name.startswith("XDG_")}
    env = {name: value for name, value in os.environ.items() if name not in quieting}
    started = []

    def start(*more: str) -> tuple[subprocess.Popen[str], Path, Path]:
        words = [str(ROOT / "live.py"), "--source", "clouds", "--layer", "edges", "--working-px", "96"]
        words += ["--size", "160x90", "--dream-rate-hz", "30", "--port", str(PORT), *more]
        process = subprocess.Popen(
            strace(trace, sys.executable, *words),
            cwd=home / "asked",
            env=env | {"HOME": str(home)},
            text=True,
        )
        started.append(process)
        return process, trace, home

    yield start
    for process in started:
        if process.poll() is None:
            for mirror in psutil.Process(process.pid).children():  # strace, when ended itself, lets go of it
                mirror.terminate()
        process.wait()


def test_a_trace_is_read_as_strace_writes_it():
    trace = """\
7 openat(AT_FDCWD</home/m>, "a.mp4", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0666 <unfinished ...>
7 openat(AT_FDCWD</home/m>, "/etc/fonts", O_RDONLY|O_CLOEXEC) = 3</etc/fonts>
7 rename("/home/m/.x.part", "/home/m/x") = 0
7 renameat2(AT_FDCWD</home/m>, "/y.part", AT_FDCWD</home/m>, "/y", RENAME_NOREPLACE) = 0
7 mkdir("/home/m/.cache", 0777) = 0
7 bind(27</a>, {sa_family=AF_INET, sin_port=htons(8744), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
7 bind(27</a>, {sa_family=AF_INET, sin_port=htons(8744), sin_addr=inet_addr("0.0.0.0")}, 16) = 0
7 connect(9</b>, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 0
7 connect(9</b>, {sa_family=AF_UNIX, sun_path=@"/tmp/.X11-unix/X0"}, 20) = 0"""
    assert written(trace) == {"/home/m/a.mp4", "/home/m/x", "/y", "/home/m/.cache"}
    assert [line[:9] for line in calls(trace)] == ["7 bind(27", "7 connect"]
    assert unasked(trace, Path("/home/m")) == ["/home/m/a.mp4", "/home/m/x", "/y"]


def test_a_mirror_with_onnx_runtime_calls_nobody_and_writes_only_its_caches(traced):
    process, trace, home = traced("--headless", "--backend", "onnxruntime")
    deadline, until, found = time.monotonic() + 300, None, {}
    while until is None or found.get("ticks", 0) < until:
        assert process.poll() is None
        assert time.monotonic() < deadline, found
        found = status() or found
        if until is None and found.get("backend", "").startswith("ONNX Runtime"):
            until = found["ticks"] + TICKS
        time.sleep(0.2)
    assert calls(trace.read_text()) == []
    assert unasked(trace.read_text(), home) == []
    assert not list(home.rglob("deviceid"))
    assert not list((home / "asked").iterdir())


@pytest.mark.screen
@pytest.mark.parametrize("asked", [(), ("--preview", "--record", "out.mp4")], ids=["default", "recorded"])
def test_a_mirror_in_a_window_calls_nobody_and_writes_what_was_asked_for(traced, asked):
    process, trace, home = traced("--windowed", "--frames", "60", *asked)
    assert process.wait(300) == 0
    assert calls(trace.read_text()) == []
    assert unasked(trace.read_text(), home) == []
    assert [path.name for path in (home / "asked").iterdir()] == (["out.mp4"] if asked else [])
    assert any("AF_UNIX" in line for line in trace.read_text().splitlines())  # it saw the calls to the screen
