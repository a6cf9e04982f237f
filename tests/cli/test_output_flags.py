"""The flags of the outputs: what cannot be is said in one line, before the show begins."""

import sys

import pytest

from livedream.cli.mirror import mirror_parser
from livedream.cli.output_flags import output_options
from livedream.errors import LivedreamError, OutputError
from livedream.sinks.encoding import Encoding


def options(*words):
    return output_options(mirror_parser().parse_args(words))


@pytest.fixture
def everything(monkeypatch):
    monkeypatch.setattr("livedream.extras.installed", lambda package: True)


def test_by_itself_nothing_is_sent():
    found = options()
    assert found.encoding == Encoding("auto", None)
    assert (found.virtual_camera, found.ndi, found.spout, found.syphon) == (None, None, None, None)
    assert (found.push, found.size) == ((), None)


def test_all_of_them_can_be_asked_for(everything, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    found = options("--virtual-camera", "--ndi", "--spout", "hall", "--push", "rtsp://a/b")
    assert (found.virtual_camera, found.ndi, found.spout) == ("", "livedream", "hall")
    assert found.push == ("rtsp://a/b",)
    found = options("--virtual-camera", "/dev/video2", "--send-size", "1280x720", "--bit-rate", "8")
    assert (found.virtual_camera, found.size, found.encoding.mbit) == ("/dev/video2", (1280, 720), 8.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--push", "ftp://a:secret@b"], r"expected rtsp://HOST\[:PORT\]/NAME or http"),
        (["--send-size", "641x360"], "--send-size 641x360: expected even numbers"),
        (["--bit-rate", "nan"], "invalid value 'nan': expected 0.1–200 megabits a second"),
        (["--bit-rate", "0"], "expected 0.1–200"),
        (["--encoder", "h265"], "invalid choice: 'h265'"),
        (["--syphon"], "--syphon is for macOS only; possible here: --ndi"),
        (["--spout"], "--spout is for Windows only; possible here: --ndi"),
    ],
)
def test_what_cannot_be_is_refused(words, said, everything, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(LivedreamError, match=said) as caught:
        options(*words)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("flag", "extra"), [("--ndi", "ndi"), ("--virtual-camera", "virtual-camera")])
def test_a_missing_package_says_how_to_add_it(flag, extra, monkeypatch):
    monkeypatch.setattr("livedream.extras.installed", lambda package: False)
    with pytest.raises(LivedreamError, match=f"{flag} needs the package .* --extra {extra}"):
        options(flag)


def test_an_encoder_that_cannot_work_here_is_refused_with_those_that_can(monkeypatch):
    from livedream.sinks import encoders

    monkeypatch.setattr(encoders, "_try", lambda encoder, *_: "" if encoder.name == "av1" else "no card")
    with pytest.raises(OutputError, match=r"tried nvenc \(no card\); possible here: av1"):
        options("--encoder", "nvenc")
