"""``livedream room``: mistakes are told in one line before Ray starts; status shows a room."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import stat
import subprocess
import sys

import psutil
import pytest

from livedream.cli.main import main
from livedream.cli.room import _options, room_command
from livedream.extras import installed
from livedream.room import options as room_options
from livedream.room.cluster import RaysVoice, prepare_environment, runs
from livedream.room.placing import Replica
from livedream.web.token import token_path
from tests.room.replicas import heard, join, opened, until

TOKEN = "k7mq-2xtp-9fhd-w3zs"
VARIABLE = room_options.TOKEN_VARIABLE


@pytest.fixture(autouse=True)
def _no_token(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("livedream.cli.room.configure_logging", lambda *_, **__: None)


def options_of(monkeypatch, *words):
    """The options that a command line stands for."""
    found = []
    monkeypatch.setattr("livedream.cli.room._serve", lambda arguments: found.append(_options(arguments)))
    room_command(["serve", *words])
    return found[0]


def refusal(capsys, *words) -> str:
    """The one line with which a command line is refused."""
    assert main(["room", *words]) in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_by_default_it_is_for_this_machine_and_needs_no_token(monkeypatch):
    options = options_of(monkeypatch)
    assert (options.host, options.port, options.token) == ("127.0.0.1", 8850, "")
    assert not token_path("room").exists()


def test_beyond_it_a_token_is_made_and_kept(monkeypatch):
    options = options_of(monkeypatch, "--address", "0.0.0.0")
    assert re.fullmatch(r"(\w{4}-){3}\w{4}", options.token)
    assert options_of(monkeypatch, "--address", "192.168.7.7:99").token == options.token
    assert stat.S_IMODE(token_path("room").stat().st_mode) == 0o600
    assert token_path("room") != token_path()


def test_a_token_of_ones_own(monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)
    assert options_of(monkeypatch, "--address", "0.0.0.0").token == TOKEN
    assert options_of(monkeypatch).token == TOKEN
    assert options_of(monkeypatch, "--token", "another-one").token == "another-one"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("serve", "--address", "nowhere land"), "is not an address"),
        (("serve", "--address", "127.0.0.1:99999"), "expected 1–65535"),
        (("serve", "--tls-cert", "cert.pem"), "--tls-cert and --tls-key belong together"),
        (("serve", "--tls-cert", "no.pem", "--tls-key", "no.key"), "no.pem: no such file"),
        (("serve", "--token", "short"), "invalid token of 5 characters"),
        (("serve", "--ray", "ray://host:1", "--sessions", "2"), "expected HOST:PORT, or auto"),
        (("serve", "--ray", "host:1", "--gpus", "1"), "--gpus is for a Ray of the room's own"),
        (("serve", "--ray", "host:1", "--dashboard"), "has its own dashboard"),
        (("serve", "--sessions", "0"), "expected 1–64"),
        (("serve", "--device", "toaster"), "invalid choice: 'toaster'"),
        (("serve", "--address", "192.0.2.77:8850"), "cannot serve the room on 192.0.2.77 port 8850"),
        (("status", "--address", "ftp://here"), "expected HOST"),
        (("status", "--address", "127.0.0.1:1"), "no room answers at http://127.0.0.1:1/healthz"),
        (("status", "--address", "wss://127.0.0.1:1", "--ca", "none.pem"), "--ca none.pem: No such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_mistakes_are_told_in_one_line(capsys, monkeypatch, words, line):
    monkeypatch.setattr("livedream.room.cluster.Cluster", None)  # is never reached
    assert line in refusal(capsys, *words)


def test_a_token_in_the_environment_that_is_none(capsys, monkeypatch):
    monkeypatch.setenv(VARIABLE, "a b")
    assert refusal(capsys, "serve") == (
        f"livedream: {VARIABLE}: invalid token of 3 characters: expected 8 to 200 letters, digits, - and _"
    )


def test_a_port_that_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refusal(capsys, "serve", "--address", f"127.0.0.1:{port}")
    assert line.startswith(
        f"livedream: cannot serve the room on 127.0.0.1 port {port}: Address already in use"
    )


def test_a_certificate_that_is_none(capsys, tmp_path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("nonsense")
    line = refusal(
        capsys, "serve", "--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")
    )
    assert "cannot be used with the key" in line


def test_without_ray_one_line_says_how_to_add_it(capsys, monkeypatch):
    monkeypatch.setattr("livedream.extras.installed", lambda package: package != "ray")
    line = refusal(capsys, "serve")
    assert line.startswith("livedream: a room needs the package ray, which is not installed; to add it: ")
    assert "room" in line.rpartition(": ")[2]


@pytest.mark.skipif(not installed("ray"), reason="needs Ray: the extra room")
def test_a_ray_that_is_not_there():
    code = "import sys; from livedream.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = ["room", "serve", "--address", "127.0.0.1:0", "--ray", "127.0.0.1:1"]
    found = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120)
    assert found.returncode == 1
    last = found.stderr.splitlines()[-1]
    assert last.startswith("livedream: no Ray can be joined at 127.0.0.1:1: [Errno 111] Connection refused;")


def test_ray_is_kept_on_this_machine_and_quiet(monkeypatch):
    environment: dict[str, str] = {"RAY_AUTH_MODE": "disabled"}
    monkeypatch.setattr("os.environ", environment)
    prepare_environment(own=True)
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert len(environment["RAY_AUTH_TOKEN"]) == 64
    assert environment["RAY_AUTH_MODE"] == "disabled"  # somebody wants it so


def test_what_ray_reports_is_one_line_of_the_log(caplog):
    caplog.set_level("INFO")
    voice = RaysVoice()
    voice.write("\x1b[33m(raylet)\x1b[0m A worker died or was killed. To troubleshoot,\nlook elsewhere.\n\n")
    voice.write("\n")
    assert caplog.messages == ["Ray reports: A worker died or was killed"]


def test_a_process_that_was_killed_does_not_run_although_nobody_has_waited_for_it():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = psutil.Process(child.pid)
        assert runs(process)
        process.kill()
        asyncio.run(until(lambda: not runs(process)))
        assert child.returncode is None
        child.wait()


def ask_in_a_thread(*words):
    """Run ``livedream room status`` beside the test's own loop; its exit code."""
    return asyncio.to_thread(main, ["room", "status", *words])


def test_status_shows_who_dreams_where(capsys):
    async def look():
        async with opened() as room, room.connect() as mirror:
            room.ingress.heard(Replica("first", "backroom", 4711, "cpu", sessions=1))
            await mirror.send_bytes(join("foyer\x1b[31m"))
            await heard(mirror)
            await until(lambda: room.ingress.health()["sessions"][0].get("ticks_per_s"))
            assert await ask_in_a_thread("--address", f"ws://127.0.0.1:{room.port}") == 0
            shown = capsys.readouterr().out
            assert await ask_in_a_thread("--address", f"127.0.0.1:{room.port}", "--json") == 0
            assert json.loads(capsys.readouterr().out)["replicas"][0]["pid"] == 4711
        return shown

    lines = asyncio.run(look()).splitlines()
    assert lines[0].endswith("open: 1 mirror on 1 replica")
    assert lines[2].split() == ["replica", "machine", "process", "dreams", "on", "mirrors"]
    assert lines[3].split() == ["first", "backroom", "4711", "cpu", "1"]
    assert lines[6].split()[:4] == ["foyer", "[31m", "127.0.0.1", "first"]


def test_status_needs_the_token_of_a_room_that_has_one(capsys, monkeypatch):
    async def look():
        async with opened(token=TOKEN) as room:
            address = f"127.0.0.1:{room.port}"
            assert await ask_in_a_thread("--address", address) == 1
            assert "does not answer: its token is needed; possible: --token" in capsys.readouterr().err
            assert await ask_in_a_thread("--address", address, "--token", TOKEN) == 0
            monkeypatch.setenv(VARIABLE, TOKEN)
            assert await ask_in_a_thread("--address", address) == 0
            monkeypatch.delenv(VARIABLE)
            token_path("room").parent.mkdir(parents=True)
            token_path("room").write_text(f"{TOKEN}\n")  # that of a room on this machine
            assert await ask_in_a_thread("--address", address) == 0

    asyncio.run(look())


def test_what_is_no_room_is_told(capsys):
    from livedream.web.preview import Preview

    with Preview(port=0) as page:
        url = page.url
        assert main(["room", "status", "--address", url]) == 1
    assert capsys.readouterr().err == f"livedream: what answers at {url}healthz is no room of livedream\n"
