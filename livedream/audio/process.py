"""The audio process: sound in, a few numbers out. A driver that hangs or crashes costs only this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from livedream.audio.analysis import Analyser, Heard
from livedream.audio.inputs import AudioInput, open_input
from livedream.errors import LivedreamError
from livedream.ipc.child import set_up_child
from livedream.ipc.mailbox import Sender
from livedream.ipc.protocol import AudioStatus
from livedream.ipc.slots import Slot

log = logging.getLogger(__name__)

#: An input that gives nothing for so long is lost; it is tried again after as long.
_LOST_S = 2.0
_WAIT_S = 0.25


@dataclass(frozen=True)
class AudioJob:
    """What the process is started with: the input as in ``--audio``, and the slot of its status by name."""

    device: str
    status: str
    log_level: int


def run_audio(job: AudioJob) -> None:
    """The body of the audio process."""
    set_up_child("audio", job.log_level)
    with Slot(job.status) as slot:
        listen(job.device, Sender(slot))


class Reports(Protocol):
    """Where statuses go."""

    def send(self, message: AudioStatus) -> None:
        """Make it the newest."""


def listen(
    device: str,
    reports: Reports,
    opening: Callable[[str], AudioInput] = open_input,
    sleep: Callable[[float], None] = time.sleep,
    over: Callable[[], bool] = lambda: False,
) -> None:
    """Listen until it is ``over``; an input that is lost, or not there yet, is tried again for ever."""
    beats, onsets, said = 0, 0, ""
    while not over():
        error = ""
        try:
            source = opening(device)
        except LivedreamError as wrong:
            error = str(wrong)
        else:
            log.info("listening to %s; nothing is recorded", source.name)
            said = ""
            analyser, missed_s = Analyser(source.rate_hz), 0.0
            try:
                while missed_s < _LOST_S and not over():
                    samples = source.read(_WAIT_S)
                    beats += 1
                    missed_s = missed_s + _WAIT_S if samples is None else 0.0
                    heard = analyser.heard if samples is None else analyser.feed(samples)
                    if missed_s > 0:
                        heard = Heard(onsets=heard.onsets)
                    reports.send(_status(source.name, heard, onsets, beats))
                onsets += analyser.heard.onsets
                error = f"sound input {source.name} is lost"
            except LivedreamError as wrong:
                error = str(wrong)
            finally:
                source.close()
        if error != said:
            log.warning("%s", error)
        waited_s, said = 0.0, error
        while waited_s < _LOST_S and not over():
            beats += 1
            reports.send(AudioStatus(phase="waiting", progress=beats, error=error, onsets=onsets))
            sleep(_WAIT_S)
            waited_s += _WAIT_S


def _status(name: str, heard: Heard, onsets: int, beats: int) -> AudioStatus:
    return AudioStatus(
        phase="listening",
        progress=beats,
        device=name,
        bass=heard.bass,
        mid=heard.mid,
        treble=heard.treble,
        level=heard.level,
        onsets=onsets + heard.onsets,
    )
