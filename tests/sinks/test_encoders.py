"""Encoders: the first that really opens, hardware first, GPL last; and what it writes says its colours."""

import os
import subprocess
import sys

import av
import numpy as np
import pytest

from livedream.errors import OutputError, UsageError
from livedream.sinks import encoders as module
from livedream.sinks.encoders import choose
from livedream.sinks.encoding import ENCODERS, Encoding
from livedream.sinks.recorder import Recorder


@pytest.fixture
def opens(monkeypatch):
    """Only the encoders named in this set open."""
    names = set()
    monkeypatch.setattr(module, "_try", lambda encoder, *_: "" if encoder.name in names else "no such device")
    return names


def test_hardware_comes_first_then_av1_and_what_is_gpl_last(opens):
    opens |= {"x264"}
    assert choose(Encoding(), 1280, 720).name == "x264"
    opens |= {"av1"}
    assert choose(Encoding(), 1280, 720).name == "av1"
    opens |= {"nvenc", "qsv"}
    assert choose(Encoding(), 1280, 720).name == "nvenc"


def test_an_encoder_that_is_asked_for_is_used_or_the_error_says_what_is_possible(opens):
    opens |= {"av1", "x264"}
    assert choose(Encoding("x264"), 1280, 720).name == "x264"
    with pytest.raises(OutputError, match=r"tried nvenc \(no such device\); possible here: av1, x264"):
        choose(Encoding("nvenc"), 1280, 720)


def test_one_that_ffmpeg_has_by_name_only_is_not_chosen():
    missing = [encoder for encoder in ENCODERS if not encoder.options]  # no machine has the hardware of all
    assert len(missing) >= 6
    reasons = {encoder.name: reason for encoder, reason in module.usable() if encoder in missing}
    assert sum(bool(reason) for reason in reasons.values()) >= 5
    assert choose(Encoding(), 160, 96).name


@pytest.mark.parametrize(("name", "codec"), [("av1", "av1"), ("x264", "h264")])
@pytest.mark.parametrize(("size", "matrix"), [((160, 96), 6), ((1280, 720), 1)])
def test_a_recording_says_its_colours_and_has_them(tmp_path, name, codec, size, matrix):
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 3], image[:, width // 3 : width * 2 // 3] = (200, 40, 40), (40, 180, 60)
    image[:, width * 2 // 3 :] = (50, 60, 210)
    with Recorder(tmp_path / "a.mp4", encoding=Encoding(name)) as recorder:
        for i in range(5):
            recorder.add(image, i / 30, wait=True)
    recorder.finish()
    with av.open(str(recorder.path)) as video:
        context = video.streams.video[0].codec_context
        frame = list(video.decode(video=0))[-1]
    assert context.name in (codec, f"lib{codec}", "libdav1d")
    found = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
    assert found == (matrix, 1, 1, 1)
    shown = frame.reformat(format="rgb24", src_colorspace=matrix, dst_color_range=2).to_ndarray()
    for x in (width // 6, width // 2, width * 5 // 6):
        assert np.abs(shown[height // 2, x].astype(int) - image[height // 2, x]).max() <= 4


@pytest.mark.parametrize("name", ["av1", "x264"])
def test_a_bit_rate_is_kept_to(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (90, 360, 640, 3), np.uint8)
    with Recorder(tmp_path / "a.mkv", encoding=Encoding(name, mbit=6.0)) as recorder:
        for i, image in enumerate(noise):
            recorder.add(image, i / 30, wait=True)
    recorder.finish()
    mbit = recorder.path.stat().st_size * 8 / 3 / 1e6
    assert 3 < mbit < 12  # at constant quality, noise needs over 40


def test_a_file_that_cannot_hold_the_encoding_is_a_mistake(tmp_path):
    with pytest.raises(UsageError, match=r"'a\.mov' cannot hold av1; possible: \.mp4 or \.mkv"):
        Recorder(tmp_path / "a.mov", encoding=Encoding("av1"))


def test_av1_writes_nothing_to_the_terminal(tmp_path):
    code = (
        "import sys, numpy as np\n"
        "from livedream.sinks.recorder import Recorder, Encoding\n"
        "with Recorder(sys.argv[1], encoding=Encoding('av1')) as recorder:\n"
        "    recorder.add(np.zeros((96, 160, 3), np.uint8), 0.0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.mp4"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux's scheduler")
def test_no_thread_is_left_in_real_time(tmp_path):
    code = (
        "import os, sys, threading, numpy as np\n"
        "from pathlib import Path\n"
        "from livedream.sinks.encoders import choose\n"
        "from livedream.sinks.encoding import Encoding\n"
        "from livedream.sinks.recorder import Recorder\n"
        "choose(Encoding('av1'), 64, 64)\n"
        "with Recorder(Path(sys.argv[1]), encoding=Encoding('av1')) as recorder:\n"
        "    for n in range(3):\n"
        "        recorder.add(np.zeros((64, 64, 3), np.uint8), n, wait=True)\n"
        "    ours = [thread.native_id for thread in threading.enumerate()]\n"
        "    found = {os.sched_getscheduler(thread) for thread in ours}\n"
        "    recorder.finish()\n"
        "print(*found, recorder.error or 'fine')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.mp4")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(os.SCHED_OTHER), "fine"]
