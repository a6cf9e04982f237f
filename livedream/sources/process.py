"""The camera process: fills the frame slot from the source, or with clouds while the source gives nothing."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial

import cv2
from msgspec import structs

from livedream.errors import SourceError
from livedream.frame import Image
from livedream.ipc.child import set_up_child
from livedream.ipc.mailbox import Receiver, Sender
from livedream.ipc.protocol import SourceStatus
from livedream.ipc.slots import Slot
from livedream.sources.camera import Camera
from livedream.sources.clouds import CLOUDS_FPS
from livedream.sources.devices import Finder
from livedream.sources.fallback import Fallback
from livedream.sources.locking import Lock
from livedream.sources.reader import Reader
from livedream.sources.source import fitted, public_name, size_within
from livedream.sources.spec import SourceSpec, open_source, parse_spec
from livedream.sources.watch import Watch
from livedream.timing import Pacer, RateMeter

log = logging.getLogger(__name__)

HEARTBEAT_S = 0.5
#: A driver that has not answered for this long never will, when it opens a device and when it reads: only a
#: new process helps. A camera sends frames all the time; a stream ends its own reads after 5 s.
OPEN_STALLED_S, STALLED_S = 10.0, {"camera": 4.0, "stream": 10.0}
#: What the show says while the source is lost, by the end of :attr:`Watch.fault`.
_WORDS = {
    "unplugged": "is unplugged; showing clouds until it returns",
    "lost": "lost; showing clouds until it returns",
    "hung": "does not answer; showing clouds until it does",
    "frozen": "is frozen; showing clouds until it moves",
    "black": "shows only black; showing clouds until there is light",
}


@dataclass(frozen=True)
class SourceJob:
    """What a camera process is started with.

    ``frames`` and ``status`` name its slots. ``patient``: a file that is missing at the start is waited for.
    ``lock_s`` and ``controls`` are what :class:`~livedream.sources.locking.Lock` holds.
    """

    spec: str
    frames: str
    status: str
    log_level: int = logging.WARNING
    patient: bool = False
    lock_s: float | None = None
    controls: tuple[tuple[str, int], ...] = ()


def run_source(job: SourceJob) -> None:
    """Publish frames of a source: the body of the camera process. It runs until it is terminated.

    The slots get RGB uint8 frames, indexed without gaps and stamped with their capture time, and a
    :class:`~livedream.ipc.protocol.SourceStatus`. It returns only when a video or photo cannot be opened at
    the very start of a show that is not patient, before any frame was published; the status then holds the
    ``error``. Later it keeps trying. Ends with its parent, immediately on SIGTERM, and leaves Ctrl-C to the
    parent.
    """
    set_up_child("camera", job.log_level)
    cv2.setNumThreads(1)  # the other cores are the dream's
    with Slot(job.frames) as frame_slot, Slot(job.status) as status_slot:
        try:
            asked, failure = parse_spec(job.spec), None
        except SourceError as error:
            asked, failure = SourceSpec("video", job.spec), str(error)
        finder, lock = None, None
        if asked.kind == "camera":
            known = remembered(_said_before(status_slot), asked)
            finder = Finder(asked.target, known.camera, known.twins)
            if job.lock_s is not None or job.controls:
                name = known.camera.get("name", "")
                lock = Lock(job.lock_s, dict(job.controls), known.controls, name)
        reader = Reader(partial(open_source, job.spec, finder=finder))
        feed = Feed(
            asked, reader, frame_slot, status_slot, finder, lock, now=time.monotonic(), patient=job.patient
        )
        if failure is not None and not frame_slot.seq and not job.patient:
            feed.report_failure(failure)
            return
        reader.start()
        if lock is not None:
            lock.run(partial(_opened, reader))
        feed.run()


def _said_before(status: Slot) -> SourceStatus:
    """What the process before this one said last."""
    return Receiver(status, SourceStatus).newer() or SourceStatus()


def remembered(before: SourceStatus, asked: SourceSpec) -> SourceStatus:
    """What is still to be believed of what the process before this one said: nothing of another camera."""
    return before if before.asked == asked.target else SourceStatus()


def _opened(reader: Reader) -> Camera | None:
    """The camera that is open."""
    camera = reader.opened
    return camera if isinstance(camera, Camera) and reader.error is None else None


class Feed:
    """Publishes the source's newest frame, or clouds while there is none, and reports on it.

    ``asked`` is what ``reader`` reads on a thread of its own; ``finder`` finds it, if it is a camera, and
    ``lock`` holds its controls. A ``patient`` one waits for a file that is missing at the start.
    """

    def __init__(
        self,
        asked: SourceSpec,
        reader: Reader,
        frames: Slot,
        status: Slot,
        finder: Finder | None = None,
        lock: Lock | None = None,
        *,
        now: float,
        patient: bool = False,
    ) -> None:
        self._kind, self._reader, self._finder, self._lock = asked.kind, reader, finder, lock
        self._asked, self._asked_name = asked.target, public_name(asked.target)
        self._frames = frames
        self._sender: Sender[SourceStatus] = Sender(status)
        self._patient = patient or asked.kind in ("camera", "stream")
        self._last = reader.frame
        self._pacer = Pacer(CLOUDS_FPS)
        # From the process before this one, which died or had to be killed.
        picture, before = frames.read(), _said_before(status)
        self._index = 0 if picture is None else picture.index + 1
        seen = picture is not None and (before.lost or not before.fallback)
        self._watch = Watch(now, asked.kind, seen=seen, counts=before.fault_kinds)
        self._fallback = Fallback(None if picture is None else picture.array)
        self._rate = RateMeter()
        self._size = (0, 0)
        self._fault = ""
        self._reported: SourceStatus | None = None
        self._reported_s = 0.0
        self._beats = 0

    def run(self) -> None:
        """Publish until the source fails at the start; forever once there has been a frame."""
        seen = 0
        while self.step(time.monotonic()):
            now = time.monotonic()
            clouds = self._fallback.weight(now) > 0 or self._watch.fault
            seen = self._reader.wait(seen, self._pacer.wait_s(now) if clouds else HEARTBEAT_S / 2)

    def step(self, now: float) -> bool:
        """Publish what is due at ``now`` without waiting; False when the source failed at the start."""
        reader, watch = self._reader, self._watch
        if self._kind == "video" and reader.opened and reader.opened.fps:
            watch.frame_s = max(2.0, 3.0 / reader.opened.fps)  # a slide show is not a lost video
        frame, error = reader.frame, reader.error
        fresh = frame is not None and frame is not self._last
        if frame is not None and fresh:
            self._last = frame
            if not watch.saw(frame.image, now):
                reader.reopen()
        if error is not None and not self._patient and not self._frames.seq:
            self.report_failure(error)
            return False
        lost = watch.lost(now, failed=error is not None, absent=reader.absent)
        if watch.fault != self._fault:
            self._fault = watch.fault
            if lost:
                log.warning("%s%s", self._message(), f" ({error})" if error else "")
            else:
                log.info("showing %s", self._name())
        self._fallback.turn(lost, now)
        if lost and self._pacer.due(now):
            self._publish(self._fallback.image(now), now, now)
        elif frame is not None and fresh and watch.alive:
            self._publish(self._fallback.over(frame.image, now), frame.time_s, now)
        self._report(now)
        return True

    def status(self, now: float) -> SourceStatus:
        """What the show needs to know; see :class:`livedream.ipc.protocol.SourceStatus`."""
        watch = self._watch
        fallback = bool(watch.fault) or self._fallback.weight(now) > 0
        return SourceStatus(
            phase="running",
            progress=self._beats,
            source="clouds" if fallback else self._name(),
            kind="clouds" if fallback else self._kind,
            size=self._size,
            fps=round(self._rate.rate(now), 2),
            fallback=fallback,
            message=self._message() if watch.fault else self._lock.trouble if self._lock else "",
            stalled=self._stalled(now),
            lost=watch.seen and bool(watch.fault),
            fault=watch.fault,
            fault_kinds=watch.counts,
            faults=watch.faults,
            asked=self._asked if self._finder else "",
            camera=self._finder.known if self._finder else {},
            twins=self._finder.twins if self._finder else (),
            controls=self._lock.learnt if self._lock else {},
        )

    def _stalled(self, now: float) -> bool:
        patience_s = STALLED_S.get(self._kind)
        if patience_s is not None and self._reader.opening:
            patience_s = OPEN_STALLED_S
        return patience_s is not None and self._reader.busy_s(now) > patience_s

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
        if self._reader.opened is not None:
            return self._reader.opened.name
        return (self._finder.known.get("name") if self._finder else None) or self._asked_name

    def _message(self) -> str:
        what = self._watch.fault.rpartition(" ")[2]
        if what in _WORDS:
            return f"{self._name()} {_WORDS[what]}"
        if self._kind == "camera" and (self._reader.absent or self._reader.error is None):
            return "no camera; showing clouds until one appears"
        return f"no image from {self._name()} yet; showing clouds until there is one"
