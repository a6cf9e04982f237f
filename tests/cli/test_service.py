"""What ``livedream service`` would write, and what systemd itself says of it."""

from __future__ import annotations

import os
import plistlib
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from livedream.cli import service as command
from livedream.cli.main import main
from livedream.watch.units import Service, kiosk_unit, launchd_list, user_unit, windows_task

ODD = 'a $HOME %h "b" \\ film.mp4'
SERVICE = Service(sys.executable, ("--source", ODD), Path("/"), {"LIVEDREAM_HOME": "/srv/50% $x"})
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("kiosk", [None, "cage", "labwc"])
def test_systemd_accepts_the_units(kiosk, tmp_path, monkeypatch):
    compositor = tmp_path / (kiosk or "none")
    compositor.touch(0o755)
    unit = tmp_path / "mirror-on-trial.service"
    unit.write_text(user_unit(SERVICE) if kiosk is None else kiosk_unit(SERVICE, "root", str(compositor)))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    words = ["systemd-analyze", *(["--user"] if kiosk is None else []), "verify", str(unit)]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    ours = [line for line in result.stderr.splitlines() if "mirror-on-trial" in line]
    assert (result.returncode, ours) == (0, []), result.stderr


def test_the_unit_lets_pictures_decide_and_never_gives_up():
    lines = user_unit(SERVICE).splitlines()
    for line in ("Type=notify", "WatchdogSec=5", "Restart=always", "StartLimitIntervalSec=0"):
        assert line in lines
    assert "RestartPreventExitStatus=0 2" in lines  # quit, or a wrong command
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    assert start.endswith('"livedream" "--resume" "--source" "a $$HOME %%h \\"b\\" \\\\ film.mp4"')
    assert 'Environment="LIVEDREAM_HOME=/srv/50%% $x"' in lines


@ON_LINUX
@pytest.mark.parametrize("kiosk", ["cage", "labwc"])
@pytest.mark.parametrize(("ends", "code"), [("exit 0", 0), ("exit 2", 2), ("kill -9 $$", 137)])
def test_a_kiosk_ends_as_its_watcher_ends_whatever_the_compositor_says(kiosk, ends, code, tmp_path):
    compositor, watcher = tmp_path / kiosk, tmp_path / "python"
    compositor.write_text('#!/bin/sh\nif [ "$1" = -S ]; then sh -c "$2"; else shift 2; "$@"; fi\nexit 0\n')
    watcher.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\n{ends}\n')
    for path in (compositor, watcher):
        path.chmod(0o755)
    unit = kiosk_unit(Service(str(watcher), ("--source", ODD), tmp_path), "root", str(compositor))
    (start,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    words = shlex.split(start.partition("=")[2].replace("$$", "$").replace("%%", "%"))
    environment = os.environ | {"RUNTIME_DIRECTORY": str(tmp_path)}
    assert subprocess.run(words, env=environment, check=False, capture_output=True).returncode == code
    assert (tmp_path / "words").read_text() == f"-P -m livedream watch --source {ODD}\n"


def test_a_task_for_windows_is_xml_with_the_watcher():
    task = ElementTree.fromstring(windows_task(SERVICE).split("?>")[1])
    space = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
    arguments = task.findtext(".//t:Arguments", namespaces=space)
    assert arguments.startswith("-P -m livedream watch --source ")
    assert task.findtext(".//t:ExecutionTimeLimit", namespaces=space) == "PT0S"


def test_a_list_for_launchd_is_started_again_after_failures():
    content = plistlib.loads(launchd_list(SERVICE).encode())
    assert content["ProgramArguments"][1:] == ["-P", "-m", "livedream", "watch", "--source", ODD]
    assert content["KeepAlive"] == {"SuccessfulExit": False}


@pytest.fixture
def ran(monkeypatch, tmp_path):
    """The commands that were run instead of being run, in a home of the test's."""
    words = []
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(command, "_run", lambda line, wanted=True: words.append(" ".join(line)))
    return words


@ON_LINUX
def test_install_status_and_uninstall(ran, tmp_path, capsys):
    unit = tmp_path / "systemd" / "user" / "livedream.service"
    assert main(["service", "install", "--print", "--scene", "eyes"]) == 0
    assert not unit.exists()
    assert ran == []
    assert '"--scene" "eyes"' in capsys.readouterr().out
    assert main(["service", "install", "--scene", "eyes", "--strength", "2"]) == 0
    assert '"--scene" "eyes" "--strength" "2"' in unit.read_text()
    assert main(["service", "status"]) == 0
    assert main(["service", "uninstall"]) == 0
    assert not unit.exists()
    assert ran == [
        "systemctl --user daemon-reload",
        "systemctl --user enable livedream.service",
        "systemctl --user restart livedream.service",
        "systemctl --user status --no-pager livedream.service",
        "systemctl --user disable --now livedream.service",
        "systemctl --user daemon-reload",
    ]


@ON_LINUX
@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["install", "--sceen", "eyes"], "unrecognized arguments: --sceen", 2),
        (["install", "--strength", "99"], "0–3", 2),
        (["install", "--scene", "fog"], "unknown scene 'fog'", 2),
        (["install", "--dmx", "none.toml"], "DMX map none.toml: cannot be read", 2),
        (["install", "--token", "x" * 32], "--token without --listen", 2),
        (["install", "--send-size", "641x360"], "expected even numbers", 2),
        (["install", "--user", "mirror"], "--user is for --kiosk", 2),
        (["install", "--kiosk", "--user", "root"], "not root; possible: --user NAME", 2),
        (["status", "--scene", "eyes"], "takes no options of the mirror", 2),
        (["uninstall"], "no service is installed", 1),
        (["begin"], "invalid choice: 'begin'", 2),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_costs_one_line_and_nothing_is_done(words, said, code, ran, tmp_path, capsys):
    assert main(["service", *words]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert ran == []
    assert not list(tmp_path.rglob("*.service"))


@ON_LINUX
def test_a_system_without_systemctl_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["service", "install"]) == 1
    assert "systemctl cannot be run: No such file or directory" in capsys.readouterr().err
