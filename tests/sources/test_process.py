"""The camera process: always a picture, never a gap in the numbers, and the truth about where it is from."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from livedream.frame import Frame
from livedream.ipc.mailbox import Receiver
from livedream.ipc.protocol import SourceStatus
from livedream.ipc.slots import Slot
from livedream.sources.devices import CameraInfo, Finder
from livedream.sources.fallback import AWAY_S, BACK_S
from livedream.sources.process import Feed, SourceJob, _said_before, remembered, run_source
from livedream.sources.spec import parse_spec
from tests.sources.videos import frame_number, make_video

GREY = np.full((48, 64, 3), 90, np.uint8)
START_S = 100.0


class FakeReader:
    """A reader as the test directs it."""

    def __init__(self):
        self.frame = self.opened = self.error = None
        self.busy = 0.0
        self.absent = self.opening = False
        self.reopened = 0
        self.taken = 0

    def take(self, time_s, image=None, name="camera 0"):
        self.taken += 1
        self.opened = SimpleNamespace(name=name, fps=30.0)
        self.error = None
        self.frame = Frame(GREY + np.uint8(self.taken % 100) if image is None else image, self.taken, time_s)

    def busy_s(self, now):
        return self.busy

    def reopen(self):
        self.reopened += 1


@pytest.fixture
def stage():
    """A feed for a spec, its reader and its slots, with every publication noted."""
    slots = []

    def build(spec="0"):
        frames, status = Slot.create(1280 * 720 * 3), Slot.create(1 << 16)
        slots.extend([frames, status])
        reader = FakeReader()
        return Stage(Feed(parse_spec(spec), reader, frames, status, now=START_S), reader, frames, status)

    yield build
    for slot in slots:
        slot.close()


class Stage:
    def __init__(self, feed, reader, frames, status):
        self.feed, self.reader, self.frames = feed, reader, frames
        self.status, self.received = status, Receiver(status, SourceStatus)
        self.state = SourceStatus()
        self.indices = []

    def step(self, now):
        """One step; the state, and what was published in it (None for nothing)."""
        before = self.frames.seq
        self.goes_on = self.feed.step(now)
        assert self.frames.seq - before <= 1
        value = self.frames.read(before)
        if value is not None:
            self.indices.append(value.index)
        self.state = self.received.newer() or self.state
        return self.state, value

    def play(self, now, seconds, image=None):
        """Frames at 30 Hz for some seconds; the state, and the last value that was published."""
        last = None
        for n in range(round(seconds * 30)):
            self.reader.take(now + n / 30, image)
            state, value = self.step(now + n / 30)
            last = value or last
        return state, last


def test_another_camera_that_is_chosen_is_not_taken_for_the_last_one(stage):
    cameras = [
        CameraInfo("/dev/video0", "C920", "046d:082d", port="1-1"),
        CameraInfo("/dev/video2", "Brio", "046d:085e", port="1-2"),
    ]
    auto, brio = parse_spec("auto"), parse_spec("usb:046d:085e")
    played = stage("auto")

    def process(asked):
        """What a process that is asked for this finds, with what the one before it has said."""
        known = remembered(_said_before(played.status), asked)
        finder = Finder(asked.target, known.camera, known.twins, lambda: cameras)
        found = finder.find().name
        Feed(asked, FakeReader(), played.frames, played.status, finder, now=START_S).step(START_S)
        return found

    assert [process(asked) for asked in (brio, brio, auto, brio)] == ["Brio", "Brio", "C920", "Brio"]
    cameras.reverse()  # another one is first now: the same process goes on with its own
    assert [process(asked) for asked in (brio, auto, auto)] == ["Brio", "Brio", "Brio"]
    cameras.reverse()
    assert process(auto) == "Brio"


def test_without_a_camera_there_are_clouds_at_once_until_one_appears(stage):
    stage = stage("auto")
    state, value = stage.step(START_S)
    assert value is None  # it may still open
    stage.reader.error, stage.reader.absent = "there is no /dev/video0", True
    state, value = stage.step(START_S + 0.05)
    assert value.array.shape == (720, 1280, 3)
    assert (state.source, state.kind, state.fallback) == ("clouds", "clouds", True)
    assert state.message == "no camera; showing clouds until one appears"
    assert state.size == (1280, 720)
    assert (state.faults, state.lost, state.fault) == (0, False, "camera missing")
    assert stage.step(START_S + 0.06)[1] is None  # thirty a second, not more
    assert stage.step(START_S + 0.09)[1] is not None
    stage.reader.take(START_S + 0.095)
    state, value = stage.step(START_S + 0.1)
    assert value.time_s == START_S + 0.095
    assert (state.size, state.fault, state.message, state.error) == ((64, 48), "", "", "")
    state, value = stage.play(START_S + 0.2, BACK_S + 0.1)
    assert np.array_equal(value.array, stage.reader.frame.image)
    assert (state.source, state.kind, state.fallback) == ("camera 0", "camera", False)
    assert stage.indices == list(range(len(stage.indices)))


def test_a_camera_that_cannot_be_opened_is_not_called_missing(stage):
    stage = stage("0")
    stage.reader.error = "camera '0' cannot be opened: in use, or permission denied"
    state, _ = stage.step(START_S + 0.05)
    assert state.message == "no image from camera 0 yet; showing clouds until there is one"


@pytest.mark.parametrize(("opening", "patience_s"), [(False, 4.0), (True, 10.0)])
def test_a_camera_that_does_not_answer_gives_clouds_and_then_calls_for_help(stage, opening, patience_s):
    stage = stage()
    stage.reader.opening = opening
    stage.reader.busy = 1.4
    assert stage.step(START_S + 1.4)[1] is None
    stage.reader.busy = 1.5
    assert stage.step(START_S + 1.5)[1] is not None
    stage.reader.busy = patience_s
    assert not stage.step(START_S + patience_s)[0].stalled
    stage.reader.busy = patience_s + 0.1
    assert stage.step(START_S + patience_s + 0.1)[0].stalled


def test_a_lost_camera_dissolves_into_clouds_of_its_size_and_back(stage):
    stage = stage()
    state, _ = stage.play(START_S, 1.0)
    assert state.fps == pytest.approx(30, rel=0.05)
    now = START_S + 1.0
    stage.reader.error, stage.reader.absent = "camera 0 does not exist", True
    assert stage.step(now + 1.4)[1] is None
    last = stage.reader.frame.image
    changes = []
    for n in range(75):
        state, value = stage.step(now + 1.5 + n / 30)
        if value is not None:
            assert value.array.shape == last.shape
            changes.append(np.abs(value.array.astype(int) - last).mean())
    assert state.message == "camera 0 is unplugged; showing clouds until it returns"
    assert (state.fault, state.lost, state.kind) == ("camera unplugged", True, "clouds")
    assert state.fault_kinds == {"camera unplugged": 1}
    assert changes[0] < 1
    assert np.argmax(np.array(changes) > 0.95 * changes[-1]) > AWAY_S * 30 / 2
    assert np.diff(changes).max() < changes[-1] / 15  # no jump
    stage.reader.absent = False
    state, _ = stage.play(now + 5.0, 0.4)
    assert state.fault == "camera unplugged"  # one frame may be its last
    state, value = stage.play(now + 5.4, 0.2)
    assert (state.fault, state.lost, state.fallback) == ("", False, True)  # clouds are still to be seen
    state, value = stage.play(now + 5.6, BACK_S)
    assert np.array_equal(value.array, stage.reader.frame.image)
    assert (state.fallback, state.source, state.faults) == (False, "camera 0", 1)
    assert stage.indices == list(range(len(stage.indices)))


def test_a_frozen_camera_is_opened_again_and_not_believed(stage):
    stage = stage()
    still = GREY.copy()
    stage.play(START_S, 4.0, still)
    stage.reader.take(START_S + 4.0, still)
    state, value = stage.step(START_S + 4.0)
    assert (state.fault, state.faults) == ("camera frozen", 1)
    assert state.message == "camera 0 is frozen; showing clouds until it moves"
    assert value.array.shape == still.shape
    assert stage.reader.reopened == 1
    state, _ = stage.play(START_S + 5.0, 3.0)
    assert not state.fallback


def test_a_camera_that_shows_black_gives_way_to_clouds_until_there_is_light(stage):
    stage = stage()
    stage.play(START_S, 1.0)
    state, value = stage.play(START_S + 1.0, 6.5, GREY * 0)
    assert state.message == "camera 0 shows only black; showing clouds until there is light"
    assert (state.fault, state.kind) == ("camera black", "clouds")
    assert value.array.mean() > 50
    assert stage.play(START_S + 7.5, 2.0)[0].fault == ""
    assert stage.reader.reopened == 0


def test_a_new_process_counts_on_and_dissolves_from_the_last_picture(stage):
    stage = stage()
    stage.play(START_S, 1.0)
    stage.reader.error = "no frame"
    stage.step(START_S + 3.0)
    stage.play(START_S + 4.0, 3.0)
    last = stage.reader.frame.image
    stage.reader = FakeReader()
    stage.feed = Feed(parse_spec("0"), stage.reader, stage.frames, stage.status, now=START_S + 8.0)
    state, value = stage.step(START_S + 8.0)
    assert np.abs(value.array.astype(int) - last).max() <= 1
    assert (state.lost, state.fault_kinds) == (True, {"camera lost": 1})


def test_a_photo_stands_still_and_is_no_frozen_camera(stage, tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "photo.png")
    stage = stage(str(tmp_path / "photo.png"))
    for n in range(20):
        stage.reader.take(START_S + n, GREY, name="photo.png")
        state, _ = stage.step(START_S + n)
    assert (state.kind, state.fallback) == ("photo", False)


def test_a_video_that_fails_at_the_start_ends_the_process_with_its_error(stage, tmp_path):
    stage = stage(str(make_video(tmp_path / "video.mp4", 2)))
    stage.reader.error = "video 'video.mp4' cannot be opened"
    state, value = stage.step(START_S)
    assert not stage.goes_on
    assert state.error == "video 'video.mp4' cannot be opened"
    assert value is None


def test_a_video_that_fails_later_gives_way_to_clouds_and_comes_back(stage, tmp_path):
    stage = stage(str(make_video(tmp_path / "video.mp4", 2)))
    stage.reader.take(START_S, name="video.mp4")
    stage.step(START_S)
    stage.reader.error = "video 'video.mp4' cannot be opened"
    state, _ = stage.step(START_S + 2.0)
    assert stage.goes_on
    assert state.message == "video.mp4 lost; showing clouds until it returns"
    assert not stage.play(START_S + 4.0, 1.0)[0].lost


def test_a_video_that_fails_after_clouds_were_shown_is_waited_for(stage, tmp_path):
    stage = stage(str(make_video(tmp_path / "video.mp4", 2)))
    assert stage.step(START_S + 1.5)[1] is not None  # slow to open: clouds
    stage.reader.error = "video 'video.mp4' cannot be opened"
    state, value = stage.step(START_S + 2.0)
    assert stage.goes_on
    assert value is not None
    assert not state.error


def test_pictures_too_large_for_the_slot_are_scaled_down(stage):
    with Slot.create(320 * 180 * 3) as frames:
        stage = stage("auto")
        stage.frames = frames
        stage.feed = Feed(parse_spec("auto"), stage.reader, frames, stage.status, now=START_S)
        state, value = stage.step(START_S + 1.5)
        assert value.array.shape == (180, 320, 3)
        assert (state.kind, state.size) == ("clouds", (320, 180))
        stage.reader.take(START_S + 1.6)  # small enough
        assert stage.step(START_S + 1.6)[1].array.shape == GREY.shape
        wide = np.full((700, 64, 3), 90, np.uint8)  # suddenly another size, and another
        for n, image in enumerate([wide, GREY[:1, :1], np.full((2, 6000, 3), 90, np.uint8), GREY]):
            stage.reader.take(START_S + 4.0 + n / 10, image)
            _, value = stage.step(START_S + 4.0 + n / 10)
        assert value.array.shape == GREY.shape


def test_the_heart_beats_when_nothing_changes_and_changes_are_told_at_once(stage):
    stage = stage()
    stage.step(START_S)
    told = stage.status.seq
    stage.step(START_S + 0.4)
    assert stage.status.seq == told
    stage.step(START_S + 0.5)
    assert stage.status.seq == told + 1
    stage.reader.take(START_S + 0.6)
    stage.step(START_S + 0.6)
    assert stage.status.seq == told + 2


def test_after_a_killed_process_the_numbers_go_on_with_clouds_at_once(stage):
    stage = stage()
    stage.frames.publish(GREY, index=41)
    stage.feed = Feed(parse_spec("0"), stage.reader, stage.frames, stage.status, now=START_S)
    state, _ = stage.step(START_S)
    assert state.fallback
    state, _ = stage.play(START_S + 0.1, 3.0)
    assert (state.fallback, state.faults) == (False, 0)
    assert stage.indices == list(range(42, 42 + len(stage.indices)))


@pytest.fixture
def process():
    """Runs ``run_source`` as the show does; ends it."""
    with Slot.create() as frames, Slot.create(1 << 16) as status:
        started = []

        def start(spec, frames=frames, **options):
            context = multiprocessing.get_context("spawn")
            job = SourceJob(spec, frames.name, status.name, **options)
            child = context.Process(target=run_source, args=(job,), daemon=True)
            child.start()
            started.append(child)
            return child, frames, status

        yield start
        for child in started:
            child.kill()
            child.join()


def test_a_real_process_plays_a_video_leaves_ctrl_c_alone_and_ends_when_told(process, tmp_path):
    child, frames, status = process(str(make_video(tmp_path / "video.mp4")))
    value, indices, shown = None, [], []
    for _ in range(15):
        value = frames.wait(value.seq if value else 0, 30)
        indices.append(value.index)
        shown.append(frame_number(value.array))
        if len(indices) == 5:
            os.kill(child.pid, signal.SIGINT)
    assert indices == sorted(set(indices))
    assert set(shown) <= set(range(12))
    assert len(set(shown)) > 3  # it moves
    state = Receiver(status, SourceStatus).newer()
    assert (state.source, state.kind, state.size) == ("video.mp4", "video", (64, 48))
    child.terminate()
    child.join(20)
    assert child.exitcode is not None


def test_a_real_process_says_why_it_cannot_and_ends(process):
    child, frames, status = process("none.mp4")
    child.join(30)
    assert child.exitcode == 0
    error = Receiver(status, SourceStatus).newer().error
    assert error.startswith("source 'none.mp4': found no such file; possible: ")
    assert frames.seq == 0


def test_a_video_that_is_away_when_a_process_is_replaced_is_played_once_it_is_back(process, tmp_path):
    video = tmp_path / "video.mp4"
    with Slot.create() as frames:
        frames.publish(GREY, index=41)  # by the process before
        child, _, status = process(str(video), frames)
        clouds = frames.wait(1, 30)
        assert clouds.index == 42
        assert status.wait(0, 30) is not None
        assert Receiver(status, SourceStatus).newer().error == ""
        make_video(tmp_path / "copy.mp4").rename(video)
        value, deadline = clouds, time.monotonic() + 30
        while value.array.shape != (48, 64, 3):
            value = frames.wait(value.seq, 30)
            assert time.monotonic() < deadline, "30 s without the video"
        assert child.is_alive()


def test_a_show_that_was_cut_off_waits_for_its_video(process, tmp_path):
    video = tmp_path / "video.mp4"  # on a disk that comes later than the mirror
    child, frames, status = process(str(video), patient=True)
    assert frames.wait(0, 30).array.shape == (720, 1280, 3)
    said, heard, deadline = SourceStatus(), Receiver(status, SourceStatus), time.monotonic() + 30
    while said.message != "no image from video.mp4 yet; showing clouds until there is one":
        said = heard.newer() or said
        assert time.monotonic() < deadline, said
    make_video(tmp_path / "copy.mp4").rename(video)
    value, deadline = None, time.monotonic() + 30
    while value is None or value.array.shape != (48, 64, 3):
        value = frames.wait(value.seq if value else 0, 30)
        assert time.monotonic() < deadline, "30 s without the video"
    assert child.is_alive()


def test_the_process_ends_with_its_parent():
    code = textwrap.dedent("""
        import multiprocessing, os, time
        from livedream.ipc.slots import Slot
        from livedream.sources.process import SourceJob, run_source

        if __name__ == "__main__":
            frames, status = Slot.create(1280 * 720 * 3), Slot.create(1 << 16)
            child = multiprocessing.get_context("spawn").Process(
                target=run_source, args=(SourceJob("clouds", frames.name, status.name),)
            )
            child.start()
            assert frames.wait(0, 60) is not None
            print(child.pid, flush=True)
            time.sleep(60)
        """)
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root, text=True
    ) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(timeout=30)
