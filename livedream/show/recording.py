"""The recordings of a show: the one that the options ask for, and those that somebody starts and stops."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from livedream.resource import Resource
from livedream.show.saving import Saving, requested_recorder
from livedream.sinks.encoding import Encoding
from livedream.sinks.port import Sinks
from livedream.sinks.recorder import Recorder

log = logging.getLogger(__name__)


class Recordings(Resource):
    """One at a time, as a sink among ``sinks``; ``path`` is that of the options.

    A show that is ``resuming`` after a crash leaves what was recorded before. Raises ``OutputError``.
    """

    def __init__(
        self, sinks: Sinks, saving: Saving, path: Path | None, resuming: bool, encoding: Encoding
    ) -> None:
        self._sinks, self._saving, self._encoding = sinks, saving, encoding
        self._requested = None if path is None else requested_recorder(path, resuming, encoding)
        self._recorder = self._requested  # the recording that runs, or is about to
        self._since_s: float | None = None
        self._ending: list[tuple[Recorder, threading.Thread]] = []

    def begin(self) -> None:
        """Begin the recording that the options asked for."""
        if self._requested is not None and self._requested is self._recorder:
            self._sinks.add(self._requested)

    def shown(self, now: float) -> None:
        """A picture is shown, and recorded if a recording runs."""
        if self._recorder in self._sinks and self._since_s is None:
            self._since_s = now

    def toggle(self) -> str:
        """Start a recording with an automatic name, or stop the running one; returns what was done.

        Raises ``OutputError`` if the file cannot be written.
        """
        if self._recorder is not None and self._recorder.error is None:
            return self._end(self._recorder)
        self._recorder, self._since_s = self._saving.recorder(self._encoding), None
        self._sinks.add(self._recorder)
        return f"recording to {self._recorder.path}"

    def _end(self, recorder: Recorder) -> str:
        self._recorder = self._since_s = None
        self._sinks.remove(recorder)
        # Writing the last pictures and finishing the file takes as long as the disk takes.
        closing = threading.Thread(target=recorder.close, name="end of recording")
        closing.start()
        self._ending.append((recorder, closing))
        return f"recorded {recorder.path}"

    def running_s(self, now: float) -> float | None:
        """How long the recording has been running, or None."""
        if self._recorder not in self._sinks:
            return None
        return now - (now if self._since_s is None else self._since_s)

    def errors(self) -> list[str]:
        """What could not be written to its end, of the recordings that were stopped since the last call."""
        ended = [item for item in self._ending if not item[1].is_alive()]
        self._ending = [item for item in self._ending if item not in ended]
        return [recorder.error for recorder, _ in ended if recorder.error]

    def finish(self) -> None:
        """Finish the recording that the options asked for. Raises ``OutputError`` if it failed."""
        requested = self._requested
        if requested is not None:
            self._sinks.remove(requested)
            requested.finish()
            if requested is self._recorder and self._since_s is not None:
                log.info("recorded %s", requested.path)

    def stop(self) -> None:
        """Stop what runs, in the background; :meth:`close` waits for it."""
        if self._recorder is not None and self._recorder in self._sinks:
            recorder = self._recorder
            text = self._end(recorder)
            if recorder.error is None:
                log.info("%s", text)

    def close(self) -> None:
        """Finish everything."""
        self.stop()
        if self._requested is not None:
            self._requested.close()
        for _, closing in self._ending:
            closing.join()
