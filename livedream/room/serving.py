"""The room as an application of Ray Serve: an ingress, and replicas that dream.

Serve's own HTTP proxy is off: a call through it, or through a handle, costs milliseconds for each picture.
Serve places sessions, each a call of a handle that lasts as long as the session, and looks after processes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from livedream.errors import LivedreamError, OutputError
from livedream.logs import configure_logging
from livedream.resource import Resource
from livedream.room.cluster import Cluster, keep_to_loopback
from livedream.room.dreams import DreamsReplica
from livedream.room.ingress import Ingress
from livedream.room.news import News
from livedream.room.options import Plan, RoomOptions, plan
from livedream.room.placing import Alive, Full, Place, PlacingError, Replica
from livedream.web.server import bound

log = logging.getLogger(__name__)

_INGRESS, _DREAMS = "Ingress", "Dreams"
#: A process that has died is noticed within this time, and Ray starts another.
_HEALTH_S, _HEALTH_TIMEOUT_S = 1.0, 10.0
_STOP_S = 1.0
#: Calls wait for a replica that has a place: so many more may be there than sessions, that each replica says
#: itself that it is full.
_SPARE = 8
_CALLS = 1000
#: Sessions for each replica, while there may be more replicas.
_FILLED = 0.75
_ASK_S = 10.0
_PORT_S = 0.5


class IngressDeployment:
    """The ingress as a deployment. One that dies is started again, and takes its port again."""

    def __init__(self, dreams: Any, options: RoomOptions, *, own: bool) -> None:
        _begin_process("ingress", own)
        self._dreams, self._options = _Replicas(dreams), options
        self._ingress: Ingress | None = None
        self._problem = ""
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def heard(self, replica: Replica) -> None:
        """A replica says that it is there."""
        if self._ingress is not None:
            self._ingress.heard(replica)

    async def problem(self) -> str:
        """Why it cannot answer yet, or ""."""
        return self._problem if self._ingress is None else ""

    async def news(self, edition: str, after: int, wait_s: float) -> tuple[str, list[News]]:
        """What has happened since; all, if the reader knows another edition."""
        if self._ingress is None:
            await asyncio.sleep(_PORT_S)
            return "", []
        paper = self._ingress.news
        return paper.edition, await paper.after(after if edition == paper.edition else 0, wait_s)

    async def close(self) -> None:
        """Tell all mirrors that the room closes."""
        self._opening.cancel()
        if self._ingress is not None:
            await self._ingress.close()

    async def _open(self) -> None:
        options, tls = self._options, None
        while True:
            try:
                if options.tls is not None:
                    tls = tls_context(options.tls)
                listener = listening(options)
                break
            except OutputError as error:  # what was here before it may not have let go yet
                self._problem = str(error)
                await asyncio.sleep(_PORT_S)
        ingress = Ingress(listener, self._dreams, host=options.host, token=options.token, tls=tls)
        await ingress.open()
        self._ingress = ingress


class DreamsDeployment:
    """A replica as a deployment."""

    def __init__(self, options: RoomOptions, device: str, *, own: bool) -> None:
        from ray import serve

        _begin_process("dreams", own)
        from livedream.room.machine import Machine
        from livedream.room.sessions import Sessions

        context = serve.get_replica_context()
        name = str(context.replica_id.unique_id)
        host = "127.0.0.1" if own else _own_address()
        machine = Machine(device)
        machine.measure()
        sessions = Sessions(machine, host=host, most=options.sessions, name=socket.gethostname())
        ingress = serve.get_deployment_handle(_INGRESS, context.app_name)
        self._replica = DreamsReplica(name, sessions, ingress.heard.remote)

    async def session(self, mirror: str) -> AsyncGenerator[Place | Full | Alive]:
        """See :class:`livedream.room.placing.Dreams`."""
        async for sign in self._replica.session(mirror):
            yield sign

    def check_health(self) -> None:
        """Serve asks this, and starts another process where it raises."""
        self._replica.check()

    def __del__(self) -> None:
        with suppress(Exception):
            self._replica.close()


class _Replicas:
    """Opens sessions by a handle of Serve's, in the ingress."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle.options(stream=True)

    async def session(self, mirror: str) -> AsyncGenerator[Place | Full | Alive]:
        """See :class:`livedream.room.placing.Dreams`."""
        from ray.exceptions import RayError
        from ray.serve.exceptions import RayServeException

        response = self._handle.session.remote(mirror)
        try:
            async for sign in response:
                yield sign
        except (RayError, RayServeException) as error:
            raise PlacingError(_first_line(error)) from error
        finally:
            response.cancel()


class Serving(Resource):
    """A room that is served, until it is closed.

    Raises ``OutputError`` where it cannot be, ``UsageError`` for replicas that cannot be.
    """

    def __init__(self, options: RoomOptions, cluster: Cluster) -> None:
        from ray import serve

        self.options, self._cluster = options, cluster
        self._ingress: Any = None
        self.plan = plan(options, cluster.resources)
        self._name = f"livedream-room-{options.port}"
        self._closed = False
        serve.start(proxy_location="Disabled")
        try:
            self._ingress = serve.run(self._application(), name=self._name, route_prefix=None)
            problem = self._ingress.problem.remote().result(timeout_s=_ASK_S)
        except (RuntimeError, TimeoutError) as error:
            self.close()
            raise OutputError(f"the room does not start: {_reason(error)}") from error
        if problem:
            self.close()
            raise OutputError(problem)

    def news(self, edition: str, after: int, wait_s: float) -> tuple[str, list[News]]:
        """What has happened since the news of that number. Raises ``PlacingError`` without an ingress."""
        try:
            edition, found = self._ingress.news.remote(edition, after, wait_s).result(
                timeout_s=wait_s + _ASK_S
            )
        except Exception as error:  # whatever Ray has to say: it is asked again
            raise PlacingError(_first_line(error)) from error
        return edition, found

    def close(self) -> None:
        """Tell the mirrors, and take the room out of Ray. May be called twice."""
        from ray import serve

        if self._closed:
            return
        self._closed = True
        if not self._cluster.alive:  # who calls it now is ended by it
            return
        with suppress(Exception):
            self._ingress.close.remote().result(timeout_s=2 * _STOP_S)
        if not self._cluster.is_own:  # ends with all that runs there
            with suppress(Exception):
                serve.delete(self._name, _blocking=True)
                if not serve.status().applications:  # nobody else's
                    shut_down: Any = serve.shutdown
                    shut_down()

    def _application(self) -> Any:
        from ray import serve

        own, wanted = self._cluster.is_own, self.plan
        common: dict[str, Any] = {
            "health_check_period_s": _HEALTH_S,
            "health_check_timeout_s": _HEALTH_TIMEOUT_S,
            "graceful_shutdown_timeout_s": _STOP_S,
            "graceful_shutdown_wait_loop_s": 0.1,
            "logging_config": {"enable_access_log": False, "log_level": "WARNING"},
        }
        dreams: Any = serve.deployment(
            name=_DREAMS,
            max_ongoing_requests=self.options.sessions + _SPARE,
            max_constructor_retry_count=2,
            ray_actor_options={"num_cpus": wanted.cpus, "num_gpus": wanted.gpus},
            **_scaling(wanted),
            **common,
        )(DreamsDeployment)
        # Its address is this machine's, wherever Ray would like to have it.
        here = {} if own else {"resources": {f"node:{_own_address()}": 0.001}}
        ingress: Any = serve.deployment(
            name=_INGRESS,
            num_replicas=1,
            max_ongoing_requests=_CALLS,
            ray_actor_options={"num_cpus": 0, **here},
            **common,
        )(IngressDeployment)
        # Only the ingress needs to know them.
        plain = replace(self.options, token="", tls=None)
        return ingress.bind(dreams.bind(plain, wanted.device, own=own), self.options, own=own)


def listening(options: RoomOptions) -> socket.socket:
    """A socket where mirrors come. Raises ``OutputError``."""
    return bound(
        options.host, options.port, "the room", "another --address, with an address that this machine has"
    )


def tls_context(files: tuple[Any, Any]) -> ssl.SSLContext:
    """What answers TLS with this certificate and key. Raises ``OutputError`` if they cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    for file in files:
        if not os.path.isfile(file):
            raise OutputError(f"{file}: no such file; expected a certificate and its key, as PEM")
    try:
        context.load_cert_chain(*files, password=_no_password)
    except (OSError, ValueError) as error:  # ssl's errors are OSErrors
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"the certificate {files[0]} cannot be used with the key {files[1]}: {reason};"
            " possible: both as PEM, the key without a password"
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key has a password")


def _scaling(wanted: Plan) -> dict[str, Any]:
    if not wanted.scales:
        return {"num_replicas": wanted.most}
    return {
        "autoscaling_config": {
            "min_replicas": wanted.least,
            "max_replicas": wanted.most,
            "initial_replicas": wanted.least,
            # A replica that is full takes no request, so Ray would not notice: one in four is kept free.
            "target_ongoing_requests": _FILLED,
            "upscale_delay_s": 2.0,
            "look_back_period_s": 4.0,
            "metrics_interval_s": 1.0,
            "downscale_delay_s": 120.0,
        }
    }


def _own_address() -> str:
    """The address that this machine has in Ray."""
    from ray import util

    ask: Any = util.get_node_ip_address
    return str(ask())


def _begin_process(name: str, own: bool) -> None:
    """Set up a process that Ray has started: one thread, and its log goes where the room's goes."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    configure_logging(name, logging.INFO)
    if own:
        keep_to_loopback()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _reason(error: BaseException) -> str:
    """What a failed deployment is about: the last line of Serve's report with an error of ours."""
    kinds = tuple(f"{kind.__name__}: " for kind in LivedreamError.__subclasses__())
    ours = [line for line in str(error).splitlines() if any(kind in line for kind in kinds)]
    return ours[-1].partition("Error: ")[2] if ours else _first_line(error)
