"""The process that exports graphs: see :mod:`livedream.runtimes.exporter`."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from livedream.errors import LivedreamError
from livedream.ipc.child import set_up_child
from livedream.networks.graphs import prune
from livedream.runtimes.exporter import ExportProgress, ExportRequest, ExportResult

log = logging.getLogger(__name__)


def main() -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, waiting), daemon=True).start()
    set_up_child("export", int(sys.argv[1]) if len(sys.argv) > 1 else logging.WARNING)
    if hasattr(os, "nice"):
        os.nice(2)  # the show and the dream come first
    import torch

    torch.set_num_threads(1)
    decoder = msgspec.json.Decoder(ExportRequest)

    def send(message: ExportProgress | ExportResult) -> None:
        answers.write(msgspec.json.encode(message) + b"\n")
        answers.flush()

    while True:
        request = decoder.decode(waiting.get())
        try:
            send(_answer(request, send_stage=lambda stage: send(ExportProgress(stage))))
        except BrokenPipeError:  # the parent is gone
            return


def _listen(requests: BinaryIO, waiting: queue.SimpleQueue[bytes]) -> None:
    """Pass requests on; when the parent is gone, end at once, even in the middle of an export."""
    for line in requests:
        waiting.put(line)
    os._exit(0)


def _answer(request: ExportRequest, send_stage: Callable[[str], None]) -> ExportResult:
    from livedream.compile.export import export

    spec, folder = request.spec, Path(request.folder)
    weights = None if request.weights is None else Path(request.weights)
    try:
        path = export(spec, weights, folder, made_by="mirror", progress=send_stage)
        prune(folder)
    except LivedreamError as error:
        return ExportResult(error=str(error))
    except BrokenPipeError:
        raise
    except Exception as error:  # one network that cannot be traced must not end the exports of others
        log.exception("the export of %s failed", spec.stem)
        return ExportResult(error=f"{spec.network} {spec.layer} cannot be exported: {error!r}"[:2000])
    return ExportResult(path=str(path))


if __name__ == "__main__":
    main()
