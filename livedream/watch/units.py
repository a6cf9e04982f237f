"""The files by which a system starts the mirror: systemd's units, a task for Windows, launchd's list.

Pure text. systemd's are checked by ``systemd-analyze verify`` in the tests; those of Windows and macOS are
written after their documentation and have not been tried.
"""

from __future__ import annotations

import plistlib
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

NAME = "livedream"
#: launchd's names are domains, backwards.
LABEL = "local.livedream"
_DESCRIPTION = "livedream, a mirror that dreams"
#: Until the first picture, on a slow disk at boot; for the end of a recording.
_START_S, _STOP_S = 120, 30
#: Without a new picture. In a kiosk the watcher acts after 5 s, and systemd if that has not helped.
_HANG_S, _KIOSK_HANG_S = 5, 60


@dataclass(frozen=True)
class Service:
    """What is to be started: Python, the mirror's options, the folder to be in, the environment."""

    python: str
    options: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        """The command line of ``livedream WORDS`` with the mirror's options."""
        return [self.python, "-P", "-m", "livedream", *words, *self.options]


def user_unit(service: Service) -> str:
    """A unit of systemd for a user's desktop session; systemd itself watches the pictures."""
    return _unit(
        unit={
            "Description": _DESCRIPTION,
            "PartOf": "graphical-session.target",
            "After": "graphical-session.target",
        },
        service=service,
        command=service.command("--resume"),
        hang_s=_HANG_S,
        more={},
        wanted_by="graphical-session.target",
    )


def kiosk_unit(service: Service, user: str, compositor: str) -> str:
    """A unit of systemd for the whole machine: on the first terminal, a Wayland compositor with the mirror.

    ``compositor`` is the path of cage or labwc. The mirror inside has its own watcher, so the screen does not
    fall back to the terminal when it is started again. Compositors end with 0, or their own error, whatever
    the watcher ended with: so two shells pass its exit code on, and systemd starts it again if it was killed.
    """
    noted = '"$RUNTIME_DIRECTORY/exit-code"'
    inside = ["/bin/sh", "-c", f"{shlex.join(service.command('watch'))}; echo $? > {noted}"]
    if Path(compositor).name == "labwc":
        words = [compositor, "-S", shlex.join(inside)]  # which ends with the command
    else:
        words = [compositor, "-s", "--", *inside]
    command = ["/bin/sh", "-c", f"rm -f {noted}; {shlex.join(words)}; exit $(cat {noted} || echo 1)"]
    return _unit(
        unit={
            "Description": f"{_DESCRIPTION}, alone on the screen",
            "After": "systemd-user-sessions.service plymouth-quit-wait.service getty@tty1.service",
            "Conflicts": "getty@tty1.service",
        },
        service=service,
        command=command,
        hang_s=_KIOSK_HANG_S,
        more={
            "User": user,
            "RuntimeDirectory": NAME,
            "PAMName": "login",  # gives the user the screen, the camera and a runtime folder
            "TTYPath": "/dev/tty1",
            "TTYReset": "yes",
            "TTYVHangup": "yes",
            "TTYVTDisallocate": "yes",
            "StandardInput": "tty-fail",
            "StandardOutput": "journal",
            "UtmpIdentifier": "tty1",
            "UtmpMode": "user",
        },
        wanted_by="multi-user.target",
        environment={"WLR_LIBINPUT_NO_DEVICES": "1", "XDG_SESSION_TYPE": "wayland"},
    )


def _unit(
    *,
    unit: Mapping[str, str],
    service: Service,
    command: Sequence[str],
    hang_s: int,
    more: Mapping[str, str],
    wanted_by: str,
    environment: Mapping[str, str] | None = None,
) -> str:
    variables = {**service.environment, **(environment or {})}
    lines = ["[Unit]", *_pairs(unit), "# never given up", "StartLimitIntervalSec=0", "", "[Service]"]
    lines += ["Type=notify", "NotifyAccess=all", *_pairs(more)]
    lines += [f"WorkingDirectory={_percent(str(service.folder))}"]
    lines += [f"Environment={_word(f'{name}={value}', dollars=False)}" for name, value in variables.items()]
    lines += [f"ExecStart={' '.join(map(_word, command))}"]
    lines += ["# READY=1 and WATCHDOG=1 come with pictures", f"TimeoutStartSec={_START_S}"]
    lines += [f"WatchdogSec={hang_s}", "WatchdogSignal=SIGKILL", f"TimeoutStopSec={_STOP_S}"]
    lines += ["# always, but not when it was quit (0) or the command is wrong (2)", "Restart=always"]
    lines += ["RestartSec=1", "RestartPreventExitStatus=0 2"]
    lines += ["", "[Install]", f"WantedBy={wanted_by}"]
    return "\n".join(lines) + "\n"


def _pairs(values: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str, *, dollars: bool = True) -> str:
    """A word of a command line or an assignment, as systemd reads it: quoted, nothing in it expanded."""
    text = _percent(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text.replace("$", "$$") if dollars else text}"'


def windows_task(service: Service) -> str:
    """A task of Windows' Task Scheduler, as XML: at log-on, with the watcher. Not tried."""
    command, *words = service.command("watch")
    return f"""\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>{_DESCRIPTION}</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Principals><Principal id="Author">
    <LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel>
  </Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author"><Exec>
    <Command>{escape(command)}</Command>
    <Arguments>{escape(subprocess.list2cmdline(words))}</Arguments>
    <WorkingDirectory>{escape(str(service.folder))}</WorkingDirectory>
  </Exec></Actions>
</Task>
"""


def launchd_list(service: Service) -> str:
    """A property list for macOS' launchd: at log-in, with the watcher. Not tried."""
    content = {
        "Label": LABEL,
        "ProgramArguments": service.command("watch"),
        "WorkingDirectory": str(service.folder),
        "EnvironmentVariables": dict(service.environment),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ProcessType": "Interactive",
    }
    return plistlib.dumps(content, sort_keys=False).decode()
