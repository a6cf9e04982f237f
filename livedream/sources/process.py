"""The camera process: fills the frame slot from the source, or with clouds while the source gives nothing."""

from __future__ import annotations

import logging
import time
from functools import partial

import cv2
from msgspec import structs

from livedream.errors import SourceError
from livedream.frame import Image
from livedream.ipc.child import set_up_child
from livedream.ipc.mailbox import Sender
from livedream.ipc.protocol import SourceStatus
from livedream.ipc.slots import Slot
from livedream.sources.clouds import CLOUDS_FPS, Clouds
from livedream.sources.reader import STILL_S, Reader, Watch
from livedream.sources.source import fitted, public_name, size_within
from livedream.sources.spec import SourceSpec, open_source, parse_spec
from livedream.timing import Pacer, RateMeter

log = logging.getLogger(__name__)

HEARTBEAT_S = 0.5
#: A driver that has not answered for this long never will: only a new process helps.
STALLED_S = 10.0


def run_source(spec: str, frames: str, status: str, log_level: int = logging.WARNING) -> None:
    """Publish frames from ``spec``: the body of the camera process. It runs until it is terminated.

    ``frames`` and ``status`` name the slots to attach to: RGB uint8 frames, indexed without gaps and stamped
    with their capture time, and a :class:`~livedream.ipc.protocol.SourceStatus`. It returns only when a video
    or photo cannot be opened at the very start of the show, before any frame was published; the status then
    holds the ``error``. Later it keeps trying. Ends with its parent, immediately on SIGTERM, and leaves
    Ctrl-C to the parent.
    """
    set_up_child("camera", log_level)
    cv2.setNumThreads(1)  # the other cores are the dream's
    with Slot(frames) as frame_slot, Slot(status) as status_slot:
        try:
            asked, failure = parse_spec(spec), None
        except SourceError as error:
            asked, failure = SourceSpec("video", spec), str(error)
        reader = Reader(partial(open_source, spec))
        feed = Feed(asked, reader, frame_slot, status_slot, now=time.monotonic())
        if failure is not None and not frame_slot.seq:
            feed.report_failure(failure)
            return
        reader.start()
        feed.run()


class Feed:
    """Publishes the source's newest frame, or clouds while there is none, and reports on it.

    ``asked`` is what ``reader`` reads on a thread of its own.
    """

    def __init__(self, asked: SourceSpec, reader: Reader, frames: Slot, status: Slot, *, now: float) -> None:
        self._kind, self._reader = asked.kind, reader
        self._asked_name = public_name(asked.target)
        self._frames = frames
        self._sender: Sender[SourceStatus] = Sender(status)
        self._live = asked.kind in ("camera", "stream")
        self._last = reader.frame
        self._clouds: Clouds | None = None
        self._pacer = Pacer(CLOUDS_FPS)
        previous = frames.read()  # from the process before this one, which had to be killed
        self._index = 0 if previous is None else previous.index + 1
        # The picture has stood still since then: show clouds immediately.
        patient_since_s = now if previous is None or not self._live else now - Watch.OPEN_S
        self._watch = Watch(patient_since_s, still_s=STILL_S.get(asked.kind))
        self._rate = RateMeter()
        self._size = (0, 0)
        self._fallback = False
        self._reported: SourceStatus | None = None
        self._reported_s = 0.0
        self._beats = 0

    def run(self) -> None:
        """Publish until the source fails at the start; forever once there has been a frame."""
        seen = 0
        while self.step(time.monotonic()):
            now = time.monotonic()
            seen = self._reader.wait(seen, self._pacer.wait_s(now) if self._fallback else HEARTBEAT_S / 2)

    def step(self, now: float) -> bool:
        """Publish what is due at ``now`` without waiting; False when the source failed at the start."""
        reader, watch = self._reader, self._watch
        if self._kind == "video" and reader.opened and reader.opened.fps:
            watch.frame_s = max(2.0, 3.0 / reader.opened.fps)  # a slide show is not a lost video
        frame, error = reader.frame, reader.error
        if frame is not None and frame is not self._last:
            self._last = frame
            if watch.saw(frame.image, now):
                self._publish(frame.image, frame.time_s, now)
            else:
                reader.reopen()
        if error is not None and not self._live and not self._frames.seq:
            self.report_failure(error)
            return False
        lost = watch.lost(now, failed=error is not None)
        if lost != self._fallback:
            self._fallback = lost
            if lost:
                log.warning("%s (%s)", self._message(), error or "no answer")
            else:
                log.info("showing %s", self._name())
        if lost and self._pacer.due(now):
            if self._clouds is None:
                self._clouds = Clouds()
            # By the clock that all processes share, so the sky does not jump when this process is replaced.
            self._publish(self._clouds.image(now), now, now)
        self._report(now)
        return True

    def status(self, now: float) -> SourceStatus:
        """What the show needs to know; see :class:`livedream.ipc.protocol.SourceStatus`."""
        return SourceStatus(
            phase="running",
            progress=self._beats,
            source="clouds" if self._fallback else self._name(),
            kind="clouds" if self._fallback else self._kind,
            size=self._size,
            fps=round(self._rate.rate(now), 2),
            fallback=self._fallback,
            message=self._message() if self._fallback else "",
            stalled=self._live and self._reader.busy_s(now) > STALLED_S,
            faults=self._watch.faults,
        )

    def report_failure(self, error: str) -> None:
        """Report that the source failed at the start."""
        status = self.status(time.monotonic())
        self._sender.send(structs.replace(status, phase="failed", error=error))

    def _report(self, now: float) -> None:
        """Report what has changed, and every half second that the process is alive."""
        status = self.status(now)
        changed = structs.replace(status, progress=0, fps=0.0)
        beat = now - self._reported_s >= HEARTBEAT_S
        if changed != self._reported or beat:
            self._beats += beat
            self._reported, self._reported_s = changed, now
            self._sender.send(structs.replace(status, progress=self._beats))

    def _publish(self, image: Image, time_s: float, now: float) -> None:
        # Smaller than 4K where there is little shared memory; the show has reported it.
        image = fitted(image, size_within(image.shape[1], image.shape[0], self._frames.capacity_bytes))
        self._frames.publish(image, index=self._index, time_s=time_s)
        self._index += 1
        self._rate.tick(now)
        self._size = image.shape[1], image.shape[0]

    def _name(self) -> str:
        return self._reader.opened.name if self._reader.opened is not None else self._asked_name

    def _message(self) -> str:
        if self._watch.seen:
            return f"{self._name()} lost; showing clouds until it returns"
        if self._kind == "camera":
            return "no camera; showing clouds until one appears"
        return "no image yet; showing clouds until there is one"
