"""A room from its start to its end, as the command line runs it."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from livedream.errors import OutputError
from livedream.extras import require
from livedream.room.options import NO_CARD, Plan, RoomOptions
from livedream.room.placing import PlacingError
from livedream.runtimes.devices import may_have_gpu
from livedream.web.access import is_loopback

if TYPE_CHECKING:
    from livedream.room.cluster import Cluster
    from livedream.room.serving import Serving

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_NEWS_S = 20.0
_AGAIN_S = 0.5


def serve(options: RoomOptions, advice: Sequence[str] = ()) -> None:
    """Dream for mirrors until a signal asks for the end. ``advice`` are lines to show when it is ready.

    Raises ``LivedreamError`` where it cannot start, and ``OutputError`` when Ray has ended.
    """
    from livedream.room.cluster import Cluster, RaysVoice
    from livedream.room.serving import Serving, listening, tls_context

    # Mistakes are told before Ray starts, which takes seconds.
    if options.tls is not None:
        tls_context(options.tls)
    if options.wants_card:
        require("torch", "a room on a graphics card")
        if options.ray is None and not may_have_gpu():
            raise OutputError(NO_CARD)
    with listening(options) as listener:
        options = replace(options, port=listener.getsockname()[1])
    out, voice = sys.stdout, RaysVoice()
    with redirect_stdout(voice), _asked_to_end() as end:
        log.info("the room starts Ray" if options.ray is None else f"the room joins Ray at {options.ray}")
        with Cluster(options.ray, gpus=options.gpus, dashboard=options.dashboard) as cluster:
            _listen(end)
            with Serving(options, cluster) as serving:
                _say_ready(out, options, advice, serving.plan)
                for exposed in cluster.exposed(options.port):
                    log.warning("of Ray, %s can be reached from other machines, which it should not", exposed)
                if cluster.dashboard:
                    log.info("Ray's dashboard: %s, token in %s", cluster.dashboard, cluster.dashboard_token)
                    log.info("or: %s", cluster.status_command)
                threading.Thread(
                    target=_tell_news, args=(serving, cluster, end), name="news", daemon=True
                ).start()
                while not end.wait(_LOOK_S):
                    if not cluster.alive:
                        raise OutputError("Ray has ended: the room dreams no more")
                log.info("the room closes")
                voice.heeded = False


def _say_ready(out: TextIO, options: RoomOptions, advice: Sequence[str], plan: Plan) -> None:
    """On the standard output, as a program that starts a room waits for it."""
    url = options.url
    count = f"{plan.least} to {plan.most}" if plan.scales else f"{plan.most}"
    lines = [f"a room dreams at {url}, on {plan.device}, processes: {count}"]
    lines += [f"a mirror dreams there: livedream --dream-at {url}", *advice]
    out.write("".join(f"{line}\n" for line in lines))
    out.flush()
    if not is_loopback(options.host) and options.tls is None:
        log.warning(
            "without --tls-cert, pictures of visitors and the token travel unencrypted:"
            " keep to a network of your own"
        )


def _tell_news(serving: Serving, cluster: Cluster, end: threading.Event) -> None:
    """Log what happens at the ingress. Who calls a Ray that has ended is ended by it, without a word."""
    edition, last = "", 0
    while not end.is_set() and cluster.alive:
        try:
            found, news = serving.news(edition, last, _NEWS_S)
        except PlacingError as error:
            if not end.wait(_AGAIN_S):
                log.info("the ingress does not answer: %s", error)
            continue
        if found != edition:
            edition, last = found, 0
        for one in news:
            log.info("%s", one.text)
            last = max(last, one.number)


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Set when a signal asks for the end. One that comes earlier ends the start."""
    end = threading.Event()
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the start, as Ctrl-C does
    try:
        yield end
    except (KeyboardInterrupt, SystemExit):  # the second is Ray's, when it starts
        log.info("the room closes")
    finally:
        end.set()
        for number, handler in usual.items():
            signal.signal(number, handler)


def _listen(end: threading.Event) -> None:
    """From now on signals are asked for. Ray sets a handler of its own when it starts."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
