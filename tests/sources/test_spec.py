"""What ``--source`` accepts, and how it reports what it does not."""

import itertools

import pytest
from PIL import Image

from livedream import open_source
from livedream.errors import SourceError
from livedream.sources.spec import SourceSpec, parse_spec
from tests.sources.videos import frame_number, make_video


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("0", "camera"),
        (" 1 ", "camera"),
        ("/dev/video0", "camera"),
        ("/dev/v4l/by-id/usb-Cam-video-index0", "camera"),
        ("auto", "camera"),
        ("usb:046d:0825", "camera"),
        ("usb:046D:082D:1A2B3C", "camera"),
        ("camera:HD Pro Webcam", "camera"),
        ("clouds", "clouds"),
        ("http://cam.local/stream", "stream"),
        ("https://cam.local/stream", "stream"),
        ("rtsp://user:pass@cam.local:554/1", "stream"),
    ],
)
def test_kinds(spec, kind):
    assert parse_spec(spec) == SourceSpec(kind, spec.strip())


def test_files_are_told_apart_by_their_content(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.mp4", "PNG")
    make_video(tmp_path / "video.mp4").rename(tmp_path / "video.png")
    assert parse_spec(str(tmp_path / "photo.mp4")).kind == "photo"
    assert parse_spec(str(tmp_path / "video.png")).kind == "photo"  # a damaged photo, by its name
    (tmp_path / "video.png").rename(tmp_path / "video")
    assert parse_spec(str(tmp_path / "video")).kind == "video"


def test_a_missing_file_a_folder_and_an_empty_file_are_errors_of_one_line(tmp_path):
    (tmp_path / "empty.mp4").touch()
    for name, found in [("none.mp4", "no such file"), ("", "a folder"), ("empty.mp4", "an empty file")]:
        with pytest.raises(SourceError) as caught:
            open_source(str(tmp_path / name))
        message = str(caught.value)
        assert f"found {found}; possible: a camera (0, 1" in message
        assert "\n" not in message


@pytest.mark.parametrize("spec", ["", "ftp://host/video", "-1", "cloud", "camera:", "usb:046d"])
def test_what_is_nothing_says_what_is_possible(spec):
    with pytest.raises(SourceError, match=r"found no such file; possible: .*clouds"):
        open_source(spec)


def test_what_is_too_long_for_a_file_is_one_line_that_quotes_both_ends():
    with pytest.raises(SourceError, match=r"source 'xxxx.*xxxx\.mp4': found no such file") as caught:
        open_source("x" * 5000 + ".mp4")
    assert len(str(caught.value)) < 250


def test_open_source_gives_frames_of_any_kind(tmp_path):
    video = make_video(tmp_path / "video.mp4", frames=3)
    photo = tmp_path / "photo.png"
    Image.new("RGB", (8, 6), (9, 9, 9)).save(photo)
    with open_source(str(video), loop=False, realtime=False) as source:
        assert [frame_number(frame.image) for frame in source] == [0, 1, 2]
    with open_source(str(photo), loop=False, realtime=False) as source:
        assert len(list(source)) == 1
    with open_source("clouds", realtime=False) as source:
        assert next(source).image.shape == (720, 1280, 3)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "fps", "size"),
    [
        ("webcam_face.mp4", 25.0, (400, 300)),
        ("webcam_signing.mp4", 30.0, (640, 480)),
        ("people_walking.mp4", 10.0, (768, 432)),
    ],
)
def test_real_footage(shared, name, fps, size):
    with open_source(str(shared / "video" / name), loop=False, realtime=False) as video:
        assert (video.fps, video.size) == (fps, size)
        assert video.frame_count is not None
        assert video.frame_count > 100
        indices = []
        for frame in itertools.islice(video, 100):
            indices.append(frame.index)
            assert frame.image.shape == (size[1], size[0], 3)
    assert indices == list(range(100))
    assert frame.image.std() > 10


@pytest.mark.shared
def test_real_photos(shared):
    for path in sorted((shared / "photo").iterdir()):
        with open_source(str(path), realtime=False) as photo:
            assert photo.kind == "photo"
            assert next(photo).image.std() > 10
