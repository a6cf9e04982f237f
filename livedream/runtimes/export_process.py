"""A process that exports gradients, so that tracing never takes time from the picture.

One request a line on the standard input, one answer a line on the standard output, both JSON; it ends with
its input, and so with whoever started it.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from livedream.errors import BackendError, LivedreamError
from livedream.networks.graphs import GraphSpec, prune

log = logging.getLogger(__name__)


class ExportWorker:
    """The other end: starts the process when it is first needed. For one thread at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def export(self, spec: GraphSpec, weights: Path | None, folder: Path) -> Path:
        """The exported file of ``spec``, in ``folder``. Raises ``BackendError`` when it cannot be made."""
        request = dataclasses.asdict(spec) | {"folder": str(folder)}
        request["weights"] = None if weights is None else str(weights)
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            self.rest()
            raise BackendError(f"the process that exports {spec.stem} has ended: {process.returncode}")
        found = json.loads(answer)
        if "error" in found:
            raise BackendError(found["error"])
        return Path(found["path"])

    def interrupt(self) -> None:
        """End an export that another thread waits for: that thread's call raises."""
        process = self._process
        if process is not None:
            process.terminate()

    def rest(self) -> None:
        """End the process, whatever it does; the next export starts another. It holds half a gigabyte."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            with suppress(OSError):  # a request that it never read
                process.communicate()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is not None:
            self.rest()
        if self._process is None:
            root = str(Path(__file__).parents[2])
            paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "livedream.runtimes.export_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
            )
        return self._process


def _listen(requests: IO[str], waiting: queue.SimpleQueue[str]) -> None:
    """Pass requests on; when whoever asks is gone, end at once, whatever is being exported."""
    for line in requests:
        waiting.put(line)
    os._exit(0)


def main() -> None:
    """Answer requests until there are no more."""
    requests, answers = sys.stdin, sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the show's
    if hasattr(os, "nice"):
        os.nice(2)  # after the picture and the dream, but not never
    import torch

    torch.set_num_threads(1)
    from livedream.compile.export import export

    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    while True:
        values = json.loads(waiting.get())
        weights, folder = values.pop("weights"), Path(values.pop("folder"))
        weights = None if weights is None else Path(weights)
        answer: dict[str, Any]
        try:
            path = export(GraphSpec(**values), weights, folder, made_by="mirror")
            prune(folder)
            answer = {"path": str(path)}
        except LivedreamError as error:
            answer = {"error": str(error)}
        except Exception as error:  # a network that cannot be traced must not end the others' exports
            log.exception("exporting broke off")
            answer = {"error": f"{values['network']} {values['layer']} cannot be exported: {error!r}"[:2000]}
        try:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
        except BrokenPipeError:  # whoever asked has gone
            return


if __name__ == "__main__":
    main()
