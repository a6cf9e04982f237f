"""The camera process: fills the frame slot, from the source while it lives, with clouds while it does not."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

import cv2

from livedream.errors import SourceError
from livedream.frame import Image
from livedream.ipc.child import settle_in
from livedream.ipc.slots import Slot
from livedream.sources.clouds import CLOUDS_FPS, Clouds
from livedream.sources.reader import Reader, Watch
from livedream.sources.source import fitted, public_name, size_within
from livedream.sources.spec import SourceSpec, open_source, parse_spec
from livedream.timing import Pacer, RateMeter

log = logging.getLogger(__name__)

HEARTBEAT_S = 0.5
#: A driver that has not answered for so long will not: only a new process helps.
STALLED_S = 10.0
#: A camera has noise; one whose picture is the same to the bit for so long is a frozen driver.
STILL_S = 5.0


def run_source(spec: str, frames: str, status: str, log_level: int = logging.WARNING) -> None:
    """Publish pictures from ``spec`` for ever: the whole life of the camera process.

    ``frames`` and ``status`` name the :class:`Slot` s to attach to: RGB uint8 pictures, indexed without gaps
    and stamped with their capture time, and the JSON state that :meth:`Feed.state` describes. Returns only
    when a video or photo cannot be opened at the very start of the show, before any picture was published,
    by whichever process; the state then holds the ``error``. Later it is retried for ever. Ends with its
    parent, at once on SIGTERM, and leaves Ctrl-C to the parent.
    """
    settle_in("camera", log_level)
    cv2.setNumThreads(1)  # the cores are the dream's
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
    """Chooses for each moment what is shown, the source's newest frame or clouds, and reports on it.

    ``asked`` is what ``reader`` reads, on its own thread.
    """

    def __init__(self, asked: SourceSpec, reader: Reader, frames: Slot, status: Slot, *, now: float) -> None:
        self._kind, self._reader = asked.kind, reader
        self._asked_name = public_name(asked.target)
        self._frames, self._status = frames, status
        self._live = asked.kind in ("camera", "stream")
        self._last = reader.frame
        self._clouds: Clouds | None = None
        self._pacer = Pacer(CLOUDS_FPS)
        previous = frames.read()  # of the process before this one, which had to be killed
        self._index = 0 if previous is None else previous.index + 1
        # The picture has stood still since then: no more patience with a driver that hung.
        patient_since_s = now if previous is None or not self._live else now - Watch.OPEN_S
        self._watch = Watch(patient_since_s, still_s=STILL_S if asked.kind == "camera" else None)
        self._rate = RateMeter()
        self._size = (0, 0)
        self._fallback = False
        self._reported: dict[str, Any] = {}
        self._reported_s = 0.0

    def run(self) -> None:
        """Publish until the source has failed at the start; for ever once there has been a picture."""
        seen = 0
        while self.step(time.monotonic()):
            now = time.monotonic()
            seen = self._reader.wait(seen, self._pacer.wait_s(now) if self._fallback else HEARTBEAT_S / 2)

    def step(self, now: float) -> bool:
        """Publish what is due at ``now`` without waiting; False when the source failed at its start."""
        reader, watch = self._reader, self._watch
        if self._kind == "video" and reader.opened and reader.opened.fps:
            watch.frame_s = max(2.0, 3.0 / reader.opened.fps)  # slide shows are no lost videos
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
                log.info("%s is there", self._name())
        if lost and self._pacer.due(now):
            if self._clouds is None:
                self._clouds = Clouds()
            # By the clock that all processes share, so that the sky does not jump when this one is replaced.
            self._publish(self._clouds.image(now), now, now)
        self._report(now)
        return True

    def state(self, now: float) -> dict[str, Any]:
        """What the show needs to know.

        ``source``, ``kind``, ``size`` [width, height] and ``fps`` (measured) of what is shown; ``fallback``:
        that is clouds instead of what was asked for, and ``message`` says so; ``faults``: how often the
        source was lost; ``stalled``: its driver does not answer, only killing this process helps;
        ``error``: the source failed at its start, and the process ends; ``time_s``: now.
        """
        return {
            "time_s": now,
            "source": "clouds" if self._fallback else self._name(),
            "kind": "clouds" if self._fallback else self._kind,
            "size": list(self._size),
            "fps": round(self._rate.rate(now), 2),
            "fallback": self._fallback,
            "message": self._message() if self._fallback else "",
            "error": None,
            "stalled": self._live and self._reader.busy_s(now) > STALLED_S,
            "faults": self._watch.faults,
        }

    def report_failure(self, error: str) -> None:
        """Publish that the source failed at its start."""
        self._status.publish_json(self.state(time.monotonic()) | {"error": error})

    def _report(self, now: float) -> None:
        state = self.state(now)
        passing = {"time_s": 0.0, "fps": 0.0}
        if state | passing != self._reported or now - self._reported_s >= HEARTBEAT_S:
            self._reported, self._reported_s = state | passing, now
            self._status.publish_json(state)

    def _publish(self, image: Image, time_s: float, now: float) -> None:
        # Smaller than 4K where there is little shared memory; the show has said so.
        image = fitted(image, size_within(image.shape[1], image.shape[0], self._frames.capacity_bytes))
        self._frames.publish(image, index=self._index, time_s=time_s)
        self._index += 1
        self._rate.tick(now)
        self._size = image.shape[1], image.shape[0]

    def _name(self) -> str:
        return self._reader.opened.name if self._reader.opened is not None else self._asked_name

    def _message(self) -> str:
        if self._watch.seen:
            return f"{self._name()} lost: clouds until it is back"
        if self._kind == "camera":
            return "no camera: clouds until one appears"
        return "no picture yet: clouds until there is one"
