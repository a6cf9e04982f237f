"""Videos: every frame in order for rendering; in real time for the mirror, without drift or gaps."""

import av
import numpy as np
import pytest

from livedream.errors import SourceError
from livedream.sources.video import Video
from tests.sources.videos import frame_number, make_video


@pytest.fixture(scope="module")
def video_path(tmp_path_factory):
    return str(make_video(tmp_path_factory.mktemp("video") / "video.mp4"))


def test_every_frame_comes_once_in_order(video_path):
    with Video(video_path, loop=False, realtime=False) as video:
        assert (video.name, video.kind, video.fps, video.size) == ("video.mp4", "video", 25.0, (64, 48))
        assert video.frame_count == 12
        frames = list(video)
    assert [frame_number(frame.image) for frame in frames] == list(range(12))
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.time_s for frame in frames] == pytest.approx([n / 25 for n in range(12)])
    assert frames[0].image.flags.c_contiguous
    assert frames[0].image.dtype == np.uint8


def test_a_loop_has_no_gap_and_no_drift(video_path, clock):
    with Video(video_path, clock=clock, sleep=clock.sleep) as video:
        frames = [next(video) for _ in range(30)]
    assert [frame_number(frame.image) for frame in frames] == [n % 12 for n in range(30)]
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.time_s for frame in frames] == pytest.approx([1000 + n / 25 for n in range(30)])


def test_a_slow_consumer_gets_the_frame_that_is_due(video_path, clock):
    with Video(video_path, clock=clock, sleep=clock.sleep) as video:
        first = next(video)
        clock.now += 5 / 25
        frame = next(video)
    assert first.index == 0
    assert frame.index in (4, 5)  # at most one frame late
    assert frame_number(frame.image) == frame.index


def test_after_a_long_pause_the_video_resumes_where_it_was(video_path, clock):
    with Video(video_path, clock=clock, sleep=clock.sleep) as video:
        next(video)
        clock.now += 3600.0
        frames = [next(video) for _ in range(3)]
    assert [frame.index for frame in frames] == [1, 2, 3]
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx([1 / 25] * 2)


def test_a_consumer_that_is_always_late_still_gets_frames(video_path, clock):
    with Video(video_path, clock=clock, sleep=clock.sleep) as video:
        indices = []
        for _ in range(10):
            indices.append(next(video).index)
            clock.now += 0.9
    assert all(1 <= step <= 24 for step in np.diff(indices))


def test_a_rotated_video_comes_out_upright(tmp_path):
    plain = make_video(tmp_path / "plain.mp4")
    turned = tmp_path / "turned.mp4"
    with av.open(str(plain)) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    data = turned.read_bytes()
    one = (1 << 16).to_bytes(4, "big")
    zero, minus = bytes(4), (-(1 << 16)).to_bytes(4, "big", signed=True)
    end = (1 << 30).to_bytes(4, "big")
    straight = one + zero * 3 + one + zero * 3 + end
    at = data.rindex(straight)  # the track's matrix follows the video's
    quarter = zero + one + zero + minus + zero * 4 + end  # 90° clockwise
    turned.write_bytes(data[:at] + quarter + data[at + len(straight) :])
    with Video(str(turned), loop=False, realtime=False) as video:
        assert video.size == (48, 64)
        image = list(video)[-1].image
    assert image.shape == (64, 48, 3)
    assert image[:16].mean() < 0.7 * image[-16:].mean()  # the dark left half is now on top


def test_an_animated_gif_is_a_video(tmp_path):
    from PIL import Image

    from livedream import open_source

    path = tmp_path / "moving.gif"
    images = [Image.new("RGB", (32, 24), (40 * n, 0, 0)) for n in range(4)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    with open_source(str(path), loop=False, realtime=False) as video:
        assert video.kind == "video"
        reds = [int(frame.image[12, 16, 0]) for frame in video]
    assert reds == pytest.approx([0, 40, 80, 120], abs=4)


def test_a_damaged_packet_is_skipped_and_logged(tmp_path, caplog):
    path = make_video(tmp_path / "video.mp4", frames=28)
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[14]
    data = bytearray(path.read_bytes())
    data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(data)
    with Video(str(path), loop=False, realtime=False) as video:
        frames = list(video)
    assert len(frames) >= 26
    assert frame_number(frames[-1].image) == 27
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert "video.mp4 is damaged: skipped 1 packet" in caplog.text


def test_a_truncated_video_loops_over_what_there_is(tmp_path, clock):
    path = make_video(tmp_path / "video.mkv", frames=20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with Video(str(path), clock=clock, sleep=clock.sleep) as video:
        numbers = [frame_number(next(video).image) for _ in range(40)]
    assert numbers.count(0) >= 2
    assert max(numbers) < 19


def test_a_deleted_video_is_a_source_error(tmp_path):
    path = make_video(tmp_path / "video.mp4", frames=3)
    with Video(str(path), realtime=False) as video:
        path.unlink()
        with pytest.raises(SourceError, match=r"cannot be opened: No such file.*possible"):
            list(video)


@pytest.mark.parametrize("content", [b"no video at all" * 100, b"\0" * 5000])
def test_a_file_without_video_is_an_error(tmp_path, content):
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"video '.*video.mp4' .*; possible: "):
        Video(str(path))


def test_text_is_not_a_video(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk\n" * 200)
    with pytest.raises(SourceError, match=r"notes.txt.*(found text|not a video); possible"):
        Video(str(path))


def test_closing_twice_is_harmless(video_path):
    video = Video(video_path, realtime=False)
    next(video)
    video.close()
    video.close()
    assert list(video) == []
