"""The recorder: exact timing, never blocks the show, and leaves a playable video whatever happens."""

import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from datetime import datetime
from itertools import count

import av
import cv2
import numpy as np
import pytest

from livedream.errors import OutputError, UsageError
from livedream.sinks.port import Stamp
from livedream.sinks.recorder import Recorder, automatic_path


def picture(i, width=160, height=96):
    """A grey picture with a bright bar that moves with ``i``."""
    image = np.full((height, width, 3), 60, np.uint8)
    image[:, i * 4 % width : i * 4 % width + 8] = (250, 180, 40)
    return image


def decode(path):
    """(times in seconds, pictures) of a video."""
    with av.open(str(path)) as video:
        frames = list(video.decode(video=0))
    return [float(f.pts * f.time_base) for f in frames], [f.to_ndarray(format="rgb24") for f in frames]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
def test_every_picture_is_there_at_its_own_time(tmp_path, ending):
    times = [50.0, 50.033, 50.1, 50.2, 50.21, 51.0, 51.5]
    with Recorder(tmp_path / f"a.{ending}", fps=30) as recorder:
        for i, time_s in enumerate(times):
            recorder.add(picture(i), time_s, wait=True)
    found, pictures = decode(recorder.path)
    assert found == pytest.approx([t - 50.0 for t in times], abs=0.002)
    assert recorder.error is None
    assert recorder.dropped == 0
    for i, image in enumerate(pictures):
        assert np.abs(image.astype(int) - picture(i)).mean() < 6


def test_pictures_of_the_same_moment_are_kept_in_order(tmp_path):
    with Recorder(tmp_path / "a.mp4") as recorder:
        for i in range(5):
            recorder.add(picture(i), 10.0, wait=True)
    times, _ = decode(recorder.path)
    assert len(times) == 5
    assert times == sorted(set(times))


def test_odd_sizes_and_a_resized_window_keep_the_first_size_made_even(tmp_path):
    with Recorder(tmp_path / "a.mp4") as recorder:
        recorder.add(picture(0, 161, 97), 0.0)
        recorder.add(picture(1, 161, 97), 0.1)
        recorder.add(picture(2, 320, 180), 0.2)
        recorder.add(picture(3, 80, 48), 0.3)
    _, pictures = decode(recorder.path)
    assert [image.shape for image in pictures] == [(96, 160, 3)] * 4
    assert recorder.error is None


def test_the_caller_may_use_the_picture_again(tmp_path):
    image = picture(0)
    with Recorder(tmp_path / "a.mp4") as recorder:
        recorder.add(image, 0.0)
        image[:] = 255
    _, pictures = decode(recorder.path)
    assert pictures[0].mean() < 120


def test_what_the_encoder_cannot_take_is_dropped_and_counted(tmp_path, monkeypatch):
    gate = threading.Event()
    convert = cv2.cvtColor

    def slow(*arguments):
        gate.wait(30)
        return convert(*arguments)

    monkeypatch.setattr(cv2, "cvtColor", slow)
    recorder = Recorder(tmp_path / "a.mp4")
    for i in range(40):
        recorder.add(picture(i), i / 30)  # would hang here if it blocked
    gate.set()
    recorder.close()
    times, _ = decode(recorder.path)
    assert recorder.dropped >= 30
    assert len(times) == 40 - recorder.dropped


def test_with_wait_nothing_is_dropped(tmp_path):
    with Recorder(tmp_path / "a.mp4") as recorder:
        for i in range(60):
            recorder.add(picture(i), i / 30, wait=True)
    times, _ = decode(recorder.path)
    assert len(times) == 60
    assert recorder.dropped == 0


def test_a_file_that_cannot_be_written_is_an_error_at_once(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*does not exist"):
        Recorder(tmp_path / "nowhere" / "a.mp4")
    with pytest.raises(UsageError, match=r"\.mp4, \.mov, \.mkv"):
        Recorder(tmp_path / "a.gif")
    assert not (tmp_path / "a.gif").exists()


def test_as_a_sink_it_records_each_camera_frame_once_and_nothing_before_the_first(tmp_path):
    with Recorder(tmp_path / "a.mp4") as recorder:
        for index, time_s in ((-1, 0.0), (1, 100.0), (1, 100.0), (2, 100.5), (2, 100.5)):
            recorder.show(picture(index), None, Stamp(index, time_s))
    times, _ = decode(recorder.path)
    assert times == pytest.approx([0.0, 0.5], abs=0.002)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_as_a_sink_it_raises_once_the_file_cannot_be_written(tmp_path):
    (tmp_path / "a.mp4").symlink_to("/dev/full")

    def show_until_it_raises(recorder):
        for i in count(1):
            recorder.show(picture(i), None, Stamp(i, i / 30))

    with Recorder(tmp_path / "a.mp4") as recorder, pytest.raises(OutputError, match="No space left"):
        show_until_it_raises(recorder)


def test_close_may_be_called_twice_and_without_a_picture(tmp_path):
    recorder = Recorder(tmp_path / "a.mp4")
    recorder.close()
    recorder.close()
    recorder.add(picture(0), 0.0)
    assert recorder.error is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_is_reported_and_stops_only_the_recording(tmp_path):
    (tmp_path / "a.mp4").symlink_to("/dev/full")
    with Recorder(tmp_path / "a.mp4") as recorder:
        for i in range(100):
            recorder.add(picture(i), i / 30)
    assert recorder.error is not None
    assert "stopped after 0 s: No space left" in recorder.error
    with pytest.raises(OutputError, match="No space left"):
        recorder.finish()


def test_a_recording_leaves_room_for_everything_else(tmp_path, monkeypatch):
    free = iter([800, 700, 600, 400])
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=next(free) * 10**6))
    with Recorder(tmp_path / "a.mp4", leave_bytes=500_000_000) as recorder:
        for i in range(150):
            recorder.add(picture(i), i / 30, wait=True)
    assert recorder.error is not None
    assert "stopped after 3 s: cannot write" in recorder.error
    assert "0.4 GB of the disk are free, and 0.5 GB are left" in recorder.error
    times, _ = decode(tmp_path / "a.mp4")
    assert 85 <= len(times) <= 95
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1))
    with pytest.raises(OutputError, match=r"cannot write .*b.mp4.*possible: another disk"):
        Recorder(tmp_path / "b.mp4", leave_bytes=500_000_000)
    assert not (tmp_path / "b.mp4").exists()


def run(script, *arguments):
    """A process that records; it prints ``ready`` before it waits to be killed."""
    code = "import sys\n" + textwrap.dedent(script)
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_disk_that_fills_up_leaves_what_was_written_playable(tmp_path):
    path = tmp_path / "a.mp4"
    script = """
        import resource
        import numpy as np
        from livedream.sinks.recorder import Recorder
        resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000))
        noise = np.random.default_rng(0).integers(0, 256, (150, 96, 160, 3), np.uint8)
        with Recorder(sys.argv[1], fps=30) as recorder:
            for i, image in enumerate(noise):
                recorder.add(image, i / 30, wait=True)
        print(recorder.error)
    """
    process = run(script, path)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "stopped after" in out
    assert path.stat().st_size <= 700_000
    times, _ = decode(path)
    assert 1 <= len(times) < 150


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_killed_process_leaves_a_video_that_plays(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    script = """
        import time
        import numpy as np
        from livedream.sinks.recorder import Recorder
        recorder = Recorder(sys.argv[1], fps=30)
        for i in range(150):
            recorder.add(np.full((96, 160, 3), i, np.uint8), i / 30, wait=True)
        print("ready", flush=True)
        time.sleep(600)
    """
    process = run(script, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    times, _ = decode(path)
    assert len(times) >= 90  # five seconds, less the queue and the last fragment


def test_automatic_names_tell_the_time_and_never_repeat(tmp_path):
    now = datetime(2026, 11, 23, 14, 35, 0)
    first = automatic_path(tmp_path, "mp4", now)
    assert first.name == "livedream-2026-11-23-143500.mp4"
    first.touch()
    assert automatic_path(tmp_path, "mp4", now).name == "livedream-2026-11-23-143500-2.mp4"
    assert automatic_path(tmp_path, "png", now).name == "livedream-2026-11-23-143500.png"


def test_a_recording_without_a_picture_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.mp4"
    Recorder(path).close()
    assert not path.exists()
    path.write_text("precious")
    Recorder(path).close()
    assert path.read_text() == "precious"


def test_a_picture_of_another_shape_is_fitted_in_not_stretched(tmp_path):
    tall = np.zeros((160, 90, 3), np.uint8)
    tall[70:90, 35:55] = 255
    with Recorder(tmp_path / "a.mp4") as recorder:
        recorder.add(np.zeros((90, 160, 3), np.uint8), 0.0)
        recorder.add(tall, 0.1)
    with av.open(tmp_path / "a.mp4") as container:
        last = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)][-1]
    rows, columns = (np.flatnonzero(last.max(axis) > 128) for axis in (1, 0))
    assert abs(len(rows) - len(columns)) <= 2
    assert abs(columns.mean() - 80) < 2
