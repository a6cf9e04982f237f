"""Ray itself: one of the room's own on this machine, or one that runs already.

Only here and in :mod:`livedream.room.serving` is Ray imported.
"""

from __future__ import annotations

import io
import logging
import os
import re
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

from livedream.errors import OutputError
from livedream.extras import require_extra
from livedream.resource import Resource

log = logging.getLogger(__name__)

#: For every Ray: it tells nobody that it is used, and leaves the terminal alone.
_ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # How many there are is told this often, for --max-replicas.
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1.0",
    # How many sessions a replica has is asked anew for each: they last for days, and there are few.
    "RAY_SERVE_QUEUE_LENGTH_CACHE_TIMEOUT_S": "0.1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Whoever calls it when it has ended must not start another.
    "RAY_ENABLE_AUTO_CONNECT": "0",
}
#: For Ray of the room's own. The first keeps it on 127.0.0.1, and is for that alone, whatever its name says:
#: ``_node_ip_address`` does not. The others make it cheaper while nothing happens.
_OWN = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.25",
}
#: What passes through Ray's memory is small: pictures never do.
_OBJECTS_BYTES = 80 * 2**20
_STOP_S, _JOIN_S = 3.0, 5.0
_PREFIX = "ld-room-"
#: A socket's path may have 107 bytes, and Ray adds 70 to its folder's.
_LONGEST_FOLDER = 30
_LONGEST_REPORT = 200
_COLOURS = re.compile("\x1b\\[[0-9;]*m")


class Cluster(Resource):
    """Ray, running. Raises ``MissingPackageError`` without the extra, ``OutputError`` if it does not start.

    ``address`` joins a running Ray: HOST:PORT, or ``auto`` for the one that runs on this machine. One of our
    own has ``memory_bytes`` for what passes through it.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        gpus: int | None = None,
        dashboard: bool = False,
        memory_bytes: int = _OBJECTS_BYTES,
    ) -> None:
        require_extra("ray", "room", "a room")
        self.is_own = address is None
        self._folder: Path | None = None
        self._vital: list[psutil.Process] = []
        prepare_environment(own=self.is_own, dashboard=dashboard)
        import ray.serve

        for name in ("ray", "ray.serve"):  # which log what they do as if somebody had asked
            logging.getLogger(name).setLevel(logging.CRITICAL)
        found: Any
        try:
            if address is None:
                self._folder = _own_folder()
                found = ray.init(
                    address="local",
                    num_gpus=gpus,
                    include_dashboard=dashboard,
                    dashboard_host="127.0.0.1",
                    object_store_memory=memory_bytes,
                    log_to_driver=False,
                    configure_logging=False,
                    _node_ip_address="127.0.0.1",
                    _temp_dir=str(self._folder),
                )
                self._vital = [one for one in psutil.Process().children() if _is_vital(one)]
            else:
                _require_somebody(address)
                found = ray.init(address=address, log_to_driver=False, configure_logging=False)
        except BaseException as error:
            self.close()
            if isinstance(error, Exception):
                raise OutputError(_failure(address, error)) from error
            raise
        self.address = str(found.address_info["gcs_address"])
        #: The dashboard's address, and the file with the token that it asks for; both "" without one.
        self.dashboard = f"http://{found.dashboard_url}" if dashboard else ""
        self.dashboard_token = self._write_token() if dashboard else ""

    @property
    def resources(self) -> Mapping[str, float]:
        """What Ray has to share out: ``CPU``, ``GPU`` …"""
        import ray

        ask: Any = ray.cluster_resources
        return dict(ask())

    @property
    def alive(self) -> bool:
        """Whether all of it runs that must; a Ray that was joined is asked nothing."""
        return all(map(runs, self._vital))

    @property
    def status_command(self) -> str:
        """How Ray's own command is asked about this Ray, from this machine."""
        # Without the first, it looks for an address of this machine instead of 127.0.0.1.
        names = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_AUTH_MODE")
        given = " ".join(f"{name}={os.environ.get(name, '')}" for name in names)
        return f"{given} RAY_AUTH_TOKEN_PATH={self.dashboard_token} ray status --address {self.address}"

    def _write_token(self) -> str:
        """Put Ray's token into its folder, which only this user can read; the file."""
        if self._folder is None or "RAY_AUTH_TOKEN" not in os.environ:
            return ""
        file = self._folder / "token"
        file.touch(0o600)
        file.write_text(os.environ["RAY_AUTH_TOKEN"])
        return str(file)

    def exposed(self, port: int) -> list[str]:
        """What of this machine's own Ray can be reached from others, ``name port``: nothing should but the
        room's own ``port``."""
        found = []
        for process in psutil.Process().children(recursive=True) if self.is_own else ():
            with suppress(psutil.Error):
                for connection in process.net_connections("inet"):
                    listens = connection.status == psutil.CONN_LISTEN and connection.laddr.port != port
                    if listens and not _is_loopback(connection.laddr.ip):
                        found.append(f"{process.name()} {connection.laddr.port}")
        return found

    def close(self) -> None:
        """Leave Ray, or end it with all of its processes, within a few seconds. May be called twice."""
        mine = psutil.Process().children(recursive=True) if self.is_own else []
        leaving = threading.Thread(target=_shut_down, daemon=True)
        leaving.start()
        leaving.join(_STOP_S)
        for process in mine:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(mine, _STOP_S)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class RaysVoice(io.TextIOBase):
    """A standard output for a process in which Ray runs: its reports go to the log, until it is to end.

    ``heeded`` is whether they do: of its end Ray reports as if it were a failure.
    """

    heeded = True

    def write(self, text: str) -> int:
        if self.heeded and (said := " ".join(_COLOURS.sub("", text).split()).removeprefix("(raylet) ")):
            log.info("Ray reports: %s", said.partition(". ")[0][:_LONGEST_REPORT])
        return len(text)


def prepare_environment(*, own: bool, dashboard: bool = False) -> None:
    """Set what Ray reads when it is imported, where nobody else has."""
    wanted = dict(_ALWAYS)
    if own:
        wanted |= _OWN
        if not dashboard:
            wanted["RAY_enable_metrics_collection"] = "0"
        if "RAY_AUTH_TOKEN_PATH" not in os.environ:
            # Other users of this machine could have Ray run what they like. This one is in no list of
            # processes, and ends with the room.
            wanted["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    for name, value in wanted.items():
        os.environ.setdefault(name, value)


def keep_to_loopback() -> None:
    """Have gRPC servers that this process opens on all addresses listen on 127.0.0.1 only.

    Each process of Ray Serve opens one, for calls that don't come this way; no setting keeps it in.
    """
    server = import_module("grpc.aio").server
    kind = type(server())
    for name in ("add_insecure_port", "add_secure_port"):
        setattr(kind, name, _adding_here(getattr(kind, name)))


def _adding_here(add: Callable[..., int]) -> Callable[..., int]:
    def add_here(self: object, address: str, *more: object) -> int:
        return add(self, address.replace("[::]:", "127.0.0.1:", 1), *more)

    return add_here


def _shut_down() -> None:
    import ray

    with suppress(Exception):  # whatever it says now, its processes end
        ray.shutdown()


def _own_folder() -> Path:
    """A folder for one Ray, which only this user can read. Those of rooms that were killed are removed."""
    base = Path(tempfile.gettempdir())
    if len(str(base)) > _LONGEST_FOLDER and os.name == "posix":
        base = Path("/tmp")
    for left in _left_behind(base):
        shutil.rmtree(left, ignore_errors=True)
    try:
        return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
    except OSError as error:
        raise OutputError(f"cannot make a folder for Ray in {base}: {error.strerror}") from error


def _left_behind(base: Path) -> Iterator[Path]:
    for folder in base.glob(f"{_PREFIX}*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            yield folder


def _is_vital(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.name() in ("raylet", "gcs_server", "raylet.exe", "gcs_server.exe")
    return False


def runs(process: psutil.Process) -> bool:
    """Whether a process has not ended; one that nobody has waited for has, too."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _is_loopback(address: str) -> bool:
    return address.removeprefix("::ffff:").startswith("127.") or address == "::1"


def _require_somebody(address: str) -> None:
    """Raise ``OSError`` where nobody answers at HOST:PORT, for which Ray itself would wait two minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _JOIN_S).close()


def _failure(address: str | None, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].partition(". ")[0]
    if address is None:
        return f"Ray does not start: {reason}"
    return (
        f"no Ray can be joined at {address}: {reason}; possible: the HOST:PORT of a Ray that runs and that"
        " this machine is part of (ray start --address HOST:PORT), or no --ray for one of its own"
    )
