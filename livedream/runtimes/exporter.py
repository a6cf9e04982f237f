"""Exports graphs in a process of its own, so that tracing takes no time from the dream.

The process, :mod:`livedream.runtimes.export_process`, reads requests from its standard input and answers on
its standard output: messages in JSON, one a line. It ends with its input, and so with its parent.
"""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from livedream.errors import BackendError, MissingPackageError, NetworkError
from livedream.extras import full_command, installed
from livedream.ipc.supervised import exit_reason
from livedream.networks import graphs
from livedream.networks.graphs import GraphSidecar, GraphSpec, find_graph

log = logging.getLogger(__name__)

#: The longest stage of an export, a large network's comparison with autograd, takes a tenth of this.
LIMIT_S = 300.0
_ATTEMPTS = 2
_KILLED_S = 1.0


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Export ``spec``, of a network loaded from the file ``weights`` or its usual ones, into ``folder``."""

    spec: GraphSpec
    folder: str
    weights: str | None = None


class ExportProgress(msgspec.Struct, frozen=True, tag="progress"):
    """A sign of life: the stage of the export that begins now."""

    stage: str


class ExportResult(msgspec.Struct, frozen=True, kw_only=True, tag="result"):
    """The path of the exported graph, or why there is none."""

    path: str = ""
    error: str = ""


class Exporter:
    """Starts the exporting process when it is needed, and restarts it once when it dies or hangs.

    ``limit_s`` is how long it may give no sign of life. One thread exports; any thread may close it.
    """

    def __init__(self, command: Sequence[str] | None = None, limit_s: float = LIMIT_S) -> None:
        self._command = command
        self._limit_s = limit_s
        self._process: _ExportProcess | None = None
        self._lock = threading.Lock()
        self._closed = False

    def export(self, request: ExportRequest) -> Path:
        """The path of the exported graph.

        Raises ``BackendError`` when it cannot be exported, when the process failed twice, and when the
        exporter is closed.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                result = self._ask(request)
            except _ProcessFailure as failure:
                reason = f"the export process {failure}"
                self.stop()
                if self._closed:
                    break
                log.warning("exporting %s: %s (attempt %d)", request.spec.stem, reason, attempt)
                continue
            if result.error:
                raise BackendError(result.error)
            return Path(result.path)
        if self._closed:
            raise BackendError(f"the export of {request.spec.stem} was cancelled")
        raise BackendError(f"the export of {request.spec.stem} failed {_ATTEMPTS} times: {reason}")

    def stop(self) -> None:
        """End the process, which holds half a gigabyte; the next export starts another."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process and export nothing more; an export in progress raises. May be called twice."""
        self._closed = True
        self.stop()

    def _ask(self, request: ExportRequest) -> ExportResult:
        with self._lock:
            if self._closed:
                raise _ProcessFailure("is closed")
            if self._process is None or not self._process.alive:
                self._process = _ExportProcess(self._command or _default_command())
            process = self._process
        process.send(request)
        stage = "starting"
        while True:
            answer = process.receive(self._limit_s, stage)
            if isinstance(answer, ExportResult):
                return answer
            stage = answer.stage


class _ProcessFailure(Exception):
    """Why the process gave no answer: ``ended with exit code 1``."""


Answer = ExportProgress | ExportResult
_ANSWERS: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


class _ExportProcess:
    """The process and its pipes. A thread reads the answers, so that waiting for one can time out."""

    def __init__(self, command: Sequence[str]) -> None:
        root = str(Path(__file__).parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True,  # or a Ctrl-C would reach it before it can ignore it
            )
        except OSError as error:
            raise _ProcessFailure(f"cannot start: {error}") from error
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="export answers", daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, request: ExportRequest) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise _ProcessFailure(self._end()) from None

    def receive(self, limit_s: float, stage: str) -> Answer:
        """The next answer; ``stage`` is what the process was doing last."""
        try:
            line = self._answers.get(timeout=limit_s)
        except queue.Empty:
            raise _ProcessFailure(f"gave no sign of life for {limit_s:g} s while {stage}") from None
        if line is None:
            raise _ProcessFailure(f"{self._end()} while {stage}")
        try:
            return _ANSWERS.decode(line)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise _ProcessFailure(f"gave an answer that cannot be read: {error}") from None

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        assert self._process.stdin is not None
        try:
            self._process.wait(_KILLED_S)
            self._process.stdin.close()
        except (subprocess.TimeoutExpired, OSError):  # stuck in a driver, or a request that it never read
            log.warning("the export process has not ended yet")

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            for line in answers:
                self._answers.put(line)
        self._answers.put(None)

    def _end(self) -> str:
        try:
            return exit_reason(self._process.wait(_KILLED_S))
        except subprocess.TimeoutExpired:
            return "closed its output"


def _default_command() -> list[str]:
    level = logging.getLogger().getEffectiveLevel()
    return [sys.executable, "-m", "livedream.runtimes.export_process", str(level)]


class GraphFiles:
    """The graph files of one network, in a folder or shipped; missing ones are exported when needed."""

    def __init__(
        self,
        network: str,
        weights: Path | None,
        weights_sha256: str,
        folder: Path,
        exporter: Exporter,
        report: Callable[[str, int], None] = lambda text, level: log.log(level, text),
    ) -> None:
        self._network, self._weights, self._weights_sha256 = network, weights, weights_sha256
        self._folder, self._exporter, self._report = folder, exporter, report
        self._found: dict[GraphSpec, Path | None] = {}

    def find(self, spec: GraphSpec) -> Path | None:
        """The file of ``spec`` if there is one; it is looked for once, and one that is useless reported."""
        if spec not in self._found:
            self._found[spec] = found = find_graph(spec, self._weights_sha256, self._folder)
            for folder in (self._folder, graphs.SHIPPED_DIR) if found is None else ():
                path = folder / f"{spec.stem}.onnx"
                if path.is_file() and self._should_be_right(path):
                    self._report(f"{path} is damaged or out of date; it is made anew", logging.WARNING)
        return self._found[spec]

    def _should_be_right(self, path: Path) -> bool:
        """Whether a graph was made from these weights, as far as can be told."""
        try:
            return GraphSidecar.read(path).weights_sha256 == self._weights_sha256
        except NetworkError:
            return True

    def path(self, spec: GraphSpec) -> Path:
        """The file of ``spec``, exported if there is none yet.

        Raises ``BackendError`` if that fails, ``MissingPackageError`` where nothing can be exported.
        """
        found = self.find(spec)
        if found is not None:
            return found
        missing = [package for package in ("torch", "onnx") if not installed(package)]
        if missing:
            raise MissingPackageError(
                f"exporting {self._network} {spec.layer} needs {' and '.join(missing)}, not installed here;"
                f" to add it: {full_command()}"
            )
        log.debug("exporting %s", spec.stem)
        weights = None if self._weights is None else str(self._weights)
        request = ExportRequest(spec=spec, folder=str(self._folder), weights=weights)
        self._found[spec] = path = self._exporter.export(request)
        return path
