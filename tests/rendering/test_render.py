"""``render``: every frame in order, none left out, in the input's size."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from livedream.errors import NetworkError, OutputError, SourceError, UsageError
from livedream.rendering.render import render
from livedream.settings import Settings
from livedream.sinks.encoding import Encoding
from livedream.sinks.snapshot import read_snapshot_settings
from tests.rendering.films import pictures_of, scene, sound_of, times_of, write_film

FAST = Settings(mirror=False, working_px=96, steps=1, layer="textures")


@pytest.fixture
def photo(tmp_path, picture) -> Path:
    path = tmp_path / "photo.png"
    Pillow.fromarray(picture).save(path)
    return path


@pytest.fixture
def video(tmp_path, picture) -> Path:
    """24 frames of a picture that moves; each frame's brightness tells its number."""
    path = tmp_path / "video.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for n in range(24):
            frame = np.roll((picture * (0.3 + 0.7 * n / 24)).astype(np.uint8), n, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_a_video_keeps_its_frames_their_order_its_rate_and_its_size(video, tmp_path):
    out = tmp_path / "out.mp4"
    render(str(video), out, FAST)
    dreamt, original = pictures_of(out), pictures_of(video)
    assert len(dreamt) == 24
    assert dreamt[0].shape == (120, 160, 3)
    brightness = [picture.mean() for picture in dreamt]
    np.testing.assert_allclose(brightness, [picture.mean() for picture in original], atol=12)
    assert np.abs(dreamt[-1].astype(int) - original[-1]).mean() > 2  # and it was dreamt on
    with av.open(out) as container:
        assert container.streams.video[0].duration * container.streams.video[0].time_base == pytest.approx(
            2, abs=0.2
        )


def test_only_the_first_frames_if_so_asked(video, tmp_path):
    render(str(video), tmp_path / "out.mkv", FAST, frames=5)
    assert len(pictures_of(tmp_path / "out.mkv")) == 5


def test_a_photograph_becomes_a_photograph_with_its_settings(photo, picture, tmp_path):
    out = tmp_path / "out.png"
    render(str(photo), out, FAST, frames=6)
    assert np.asarray(Pillow.open(out)).shape == picture.shape
    assert read_snapshot_settings(out)["layer"] == "textures"


def test_a_photograph_may_become_a_video(photo, tmp_path):
    render(str(photo), tmp_path / "out.mp4", FAST, frames=7)
    pictures = pictures_of(tmp_path / "out.mp4")
    assert len(pictures) == 7
    assert np.abs(pictures[-1].astype(int) - pictures[0]).mean() > 1  # the dream grows


def test_the_classic_dream_of_a_photograph(photo, picture, tmp_path):
    out = tmp_path / "out.jpg"
    render(str(photo), out, FAST, classic=True)
    assert np.abs(np.asarray(Pillow.open(out)).astype(int) - picture).mean() > 3


def test_the_same_render_twice_is_the_same(photo, tmp_path):
    for name in ("a.png", "b.png"):
        render(str(photo), tmp_path / name, FAST, frames=4)
    first, second = (np.asarray(Pillow.open(tmp_path / name)) for name in ("a.png", "b.png"))
    np.testing.assert_array_equal(first, second)


def test_what_cannot_be_is_refused_before_anything_is_dreamt(video, photo, tmp_path):
    with pytest.raises(UsageError, match=r"is no photograph.*possible: \.mp4"):
        render(str(video), tmp_path / "out.png", FAST)
    with pytest.raises(UsageError, match="possible extensions"):
        render(str(video), tmp_path / "out.gif", FAST)
    with pytest.raises(UsageError, match="--frames N"):
        render("clouds", tmp_path / "out.mp4", FAST)
    with pytest.raises(SourceError, match=r"none\.mp4"):
        render(str(tmp_path / "none.mp4"), tmp_path / "out.mp4", FAST)
    with pytest.raises(OutputError, match="cannot write"):
        render(str(photo), tmp_path / "none" / "out.png", FAST)


def test_a_video_is_not_rendered_onto_itself(video):
    before = video.read_bytes()
    with pytest.raises(UsageError, match="would overwrite"):
        render(str(video), video, FAST)
    assert video.read_bytes() == before


@pytest.mark.full
def test_a_start_that_fails_leaves_an_old_output_alone(video, tmp_path):
    out, weights = tmp_path / "out.mp4", tmp_path / "weights.npz"
    out.write_text("precious")
    weights.write_text("no weights")
    with pytest.raises(NetworkError):
        render(str(video), out, FAST.replace(network="bvlc_googlenet"), weights=weights)
    assert out.read_text() == "precious"


def test_a_video_without_a_frame_count_is_rendered_to_its_end(video, tmp_path):
    render(str(video), tmp_path / "a.mkv", FAST, frames=6)
    render(str(tmp_path / "a.mkv"), tmp_path / "b.mp4", FAST)
    assert len(pictures_of(tmp_path / "b.mp4")) == 6


def test_a_video_of_one_frame_stays_one(video, tmp_path):
    render(str(video), tmp_path / "one.mp4", FAST, frames=1)
    render(str(tmp_path / "one.mp4"), tmp_path / "out.mp4", FAST)
    assert len(pictures_of(tmp_path / "out.mp4")) == 1


def test_a_film_keeps_its_sound_as_far_as_it_is_rendered(tmp_path):
    film = write_film(tmp_path / "film.mp4", scene(1, 30), sound=True)
    for name in ("out.mp4", "out.mkv", "out.mov"):
        encoding = Encoding("x264") if name == "out.mov" else Encoding()
        render(str(film), tmp_path / name, FAST, encoding=encoding)
        assert sound_of(tmp_path / name) == (sound_of(film)[0], pytest.approx(sound_of(film)[1], abs=0.1))
        assert times_of(tmp_path / name) == pytest.approx(times_of(film), abs=1e-3)
    render(str(film), tmp_path / "short.mp4", FAST, frames=10)
    assert sound_of(tmp_path / "short.mp4")[1] == pytest.approx(1.0, abs=0.1)


def test_sound_that_the_file_cannot_hold_is_left_out_and_that_is_said(tmp_path, caplog):
    film = write_film(tmp_path / "film.mkv", scene(1, 6), sound=True, codec="libopus")
    render(str(film), tmp_path / "out.mov", FAST, encoding=Encoding("x264"))
    assert ".mov cannot hold its sound (opus); possible: .mkv" in caplog.text
    assert len(pictures_of(tmp_path / "out.mov")) == 6


def test_frames_keep_their_uneven_times(tmp_path):
    times = [0, 0.04, 0.5, 0.52, 1.3]
    film = write_film(tmp_path / "film.mkv", scene(1, 5), times_s=times)
    render(str(film), tmp_path / "out.mp4", FAST)
    assert times_of(tmp_path / "out.mp4") == pytest.approx(times, abs=1e-3)
