"""``livedream service``: have the system start the mirror, and start it again when it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from livedream.cli.parser import Parser
from livedream.errors import LivedreamError, OutputError, UsageError
from livedream.files import replace_file
from livedream.places import HOME_VARIABLE
from livedream.watch.units import LABEL, NAME, Service, kiosk_unit, launchd_list, user_unit, windows_task

_COMPOSITORS = ("cage", "labwc")
_FLAGS, _WITH_VALUE = ("--kiosk", "--print", "--help", "-h"), ("--user",)
_EPILOG = """\
What follows the options above are options of the mirror: livedream service install --scene eyes
Linux: a systemd unit for your desktop session; with --kiosk, for the whole machine, with nothing else on the
screen. Windows: a task at log-on. macOS: a launchd agent. Those for Windows and macOS have not been tried.
"""


@dataclass(frozen=True)
class _Plan:
    """A file, and the commands that make the system use it, show it and forget it."""

    path: Path
    text: str
    encoding: str
    use: tuple[tuple[str, ...], ...]
    show: tuple[str, ...]
    forget: tuple[tuple[str, ...], ...]
    forgotten: tuple[tuple[str, ...], ...] = ()  # when the file is gone


def service_command(words: list[str]) -> None:
    """Run ``livedream service``. Raises ``LivedreamError``."""
    parser = Parser(
        prog="livedream service",
        description="Has the system start the mirror at log-in or boot, and again when it fails.",
        usage="livedream service install|status|uninstall [--kiosk] [--user NAME] [--print] [options]",
        epilog=_EPILOG,
    )
    parser.add_argument("action", choices=("install", "status", "uninstall"))
    parser.add_argument(
        "--kiosk", action="store_true", help="for the whole machine, alone on the screen (root)"
    )
    parser.add_argument("--user", metavar="NAME", help="who runs the kiosk (default: who called sudo)")
    parser.add_argument(
        "--print", action="store_true", help="print what would be written and run; do nothing"
    )
    parser.add_argument("options", nargs="*", help="of the mirror")
    found = parser.parse_args(_sorted(words))
    if found.action != "install" and found.options:
        raise UsageError(f"service {found.action} takes no options of the mirror, found {found.options[0]}")
    if found.action == "install":
        _check(found.options)
    plan = _plan(found.kiosk, found.user, found.options, found.action)
    if found.action == "status":
        _run(plan.show, wanted=False)
    elif found.print:
        sys.stdout.write(_description(plan, found.action))
    elif found.action == "install":
        _install(plan)
    else:
        _uninstall(plan)


def _sorted(words: Sequence[str]) -> list[str]:
    """The words with this command's own flags first; after ``--`` the action, and the mirror's options."""
    n = 1
    while n < len(words) and (words[n] in (*_FLAGS, *_WITH_VALUE) or words[n - 1] in _WITH_VALUE):
        n += 1
    return [*words[1:n], "--", words[0], *words[n:]] if words and words[0][0] != "-" else [*words]


def _check(options: Sequence[str]) -> None:
    """Raise ``LivedreamError`` when the mirror would refuse these options: now, not at the opening."""
    from livedream.cli.control_flags import control_options
    from livedream.cli.flags import settings_from
    from livedream.cli.mirror import mirror_parser
    from livedream.cli.output_flags import output_options
    from livedream.settings import Settings

    found = mirror_parser().parse_args(options)
    settings_from(found, Settings())
    control_options(found)
    output_options(found)


def _service(options: Sequence[str]) -> Service:
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    if HOME_VARIABLE in os.environ:
        environment[HOME_VARIABLE] = str(Path(os.environ[HOME_VARIABLE]).expanduser().absolute())
    return Service(sys.executable, options, Path.cwd(), environment)


def _plan(kiosk: bool, user: str | None, options: Sequence[str], action: str) -> _Plan:
    service = _service(options)
    if kiosk and sys.platform != "linux":
        raise UsageError("--kiosk is for Linux, with systemd; possible here: without it")
    if user and not kiosk:
        raise UsageError("--user is for --kiosk: a desktop's unit is its own user's")
    if sys.platform == "win32":
        path = Path(os.environ.get("LOCALAPPDATA", ".")) / NAME / "task.xml"
        return _Plan(
            path,
            windows_task(service),
            "utf-16",
            (("schtasks", "/Create", "/F", "/TN", NAME, "/XML", str(path)),),
            ("schtasks", "/Query", "/TN", NAME),
            (("schtasks", "/Delete", "/F", "/TN", NAME),),
        )
    if sys.platform == "darwin":
        path, domain = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist", f"gui/{os.getuid()}"
        load, unload = (
            ("launchctl", "bootstrap", domain, str(path)),
            ("launchctl", "bootout", f"{domain}/{LABEL}"),
        )
        return _Plan(
            path,
            launchd_list(service),
            "utf-8",
            (load,),
            ("launchctl", "print", f"{domain}/{LABEL}"),
            (unload,),
        )
    unit = f"{NAME}.service"
    who: tuple[str, ...] = () if kiosk else ("--user",)
    if kiosk:
        path = Path("/etc/systemd/system") / unit
        text = kiosk_unit(service, _kiosk_user(user), _compositor()) if action == "install" else ""
    else:
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        path, text = config / "systemd" / "user" / unit, user_unit(service)
    control = ("systemctl", *who)
    reload = (*control, "daemon-reload")
    return _Plan(
        path,
        text,
        "utf-8",
        (reload, (*control, "enable", unit), (*control, "restart", unit)),
        (*control, "status", "--no-pager", unit),
        ((*control, "disable", "--now", unit),),
        (reload,),
    )


def _kiosk_user(named: str | None) -> str:
    user = named or os.environ.get("SUDO_USER", "")
    if not user or user == "root":
        raise UsageError("--kiosk needs the user who is to run it, and not root; possible: --user NAME")
    return user


def _compositor() -> str:
    found = [path for name in _COMPOSITORS if (path := shutil.which(name))]
    if not found:
        raise OutputError(
            "no Wayland compositor for a kiosk found; possible: sudo apt install cage (or labwc)"
        )
    return found[0]


def _description(plan: _Plan, action: str) -> str:
    if action == "install":
        return f"# {plan.path}\n{plan.text}\n" + "".join(f"# then: {' '.join(words)}\n" for words in plan.use)
    lines = [*plan.forget, ("remove", str(plan.path)), *plan.forgotten]
    return "".join(f"# {' '.join(words)}\n" for words in lines)


def _install(plan: _Plan) -> None:
    try:
        plan.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"no folder {plan.path.parent}: {error.strerror}{_as_root(error)}") from error
    try:
        replace_file(plan.path, plan.text.encode(plan.encoding))
    except OutputError as error:
        raise OutputError(f"{error}{_as_root(error.__cause__)}") from error
    sys.stdout.write(f"written: {plan.path}\n")
    for words in plan.use:
        _run(words)
    sys.stdout.write(f"started; see how it is: {' '.join(plan.show)}\n")


def _uninstall(plan: _Plan) -> None:
    if not plan.path.exists():
        raise LivedreamError(f"no service is installed: there is no {plan.path}")
    for words in plan.forget:
        _run(words, wanted=False)  # it may have been stopped by hand
    try:
        plan.path.unlink()
    except OSError as error:
        raise OutputError(f"{plan.path} cannot be removed: {error.strerror}{_as_root(error)}") from error
    for words in plan.forgotten:
        _run(words, wanted=False)
    sys.stdout.write(f"removed: {plan.path}\n")


def _as_root(error: BaseException | None) -> str:
    return "; possible: the same with sudo" if isinstance(error, PermissionError) else ""


def _run(words: Sequence[str], wanted: bool = True) -> None:
    """Run one of the system's commands. Raises ``LivedreamError`` when it cannot, if it was ``wanted`` to."""
    sys.stdout.flush()
    try:
        code = subprocess.run(words, check=False).returncode
    except OSError as error:
        raise LivedreamError(f"{words[0]} cannot be run: {error.strerror}; is it on this system?") from error
    if code and wanted:
        raise LivedreamError(f"{' '.join(words)} ended with exit code {code}")
