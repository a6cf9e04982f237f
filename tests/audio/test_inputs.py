"""Inputs: PortAudio's devices by a stand-in of its library, and sound files in their own time."""

from __future__ import annotations

import sys
import wave
from types import SimpleNamespace

import numpy as np
import pytest

from livedream.audio.inputs import DeviceInput, FileInput, open_input
from livedream.errors import LivedreamError, UsageError


class FakePortAudio:
    """As much of sounddevice as is used."""

    class PortAudioError(Exception):
        pass

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.devices = [
            {"name": "Speakers", "max_input_channels": 0, "default_samplerate": 48000.0},
            {"name": "Built-in Microphone", "max_input_channels": 1, "default_samplerate": 44100.0},
            {"name": "Monitor of Mixer", "max_input_channels": 8, "default_samplerate": 48000.0},
        ]
        self.default = SimpleNamespace(device=(1, 0))
        self.refreshed = 0
        self.error = ""
        self.streams = []
        monkeypatch.setitem(sys.modules, "sounddevice", self)

    def _terminate(self):
        pass

    def _initialize(self):
        self.refreshed += 1

    def query_devices(self):
        return self.devices

    def InputStream(self, **options):
        if self.error:
            raise self.PortAudioError(self.error)
        stream = SimpleNamespace(**options, start=lambda: None, close=lambda: self.streams.remove(stream))
        self.streams.append(stream)
        return stream


@pytest.fixture
def portaudio(monkeypatch):
    return FakePortAudio(monkeypatch)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("default", "Built-in Microphone"),
        ("monitor", "Monitor of Mixer"),
        ("2", "Monitor of Mixer"),
        ("built-in mic", "Built-in Microphone"),
    ],
)
def test_an_input_is_found_by_name_number_or_as_the_default(portaudio, spec, name):
    assert open_input(spec).name == name
    assert portaudio.refreshed == 1  # PortAudio lists its devices only once by itself


def test_an_input_that_is_not_there_names_those_that_are(portaudio):
    with pytest.raises(LivedreamError) as error:
        open_input("turntable")
    assert str(error.value) == "no sound input 'turntable'; found: 1 Built-in Microphone, 2 Monitor of Mixer"
    portaudio.devices = []
    with pytest.raises(LivedreamError, match="no sound input 'default'; found: none"):
        open_input("default")


def test_a_device_that_cannot_be_opened_is_one_line(portaudio):
    portaudio.error = "Device unavailable [PaErrorCode -9985]"
    with pytest.raises(LivedreamError, match="no sound from 'default': Device unavailable"):
        open_input("default")


def test_a_missing_library_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(LivedreamError, match="no sound: sounddevice cannot be loaded"):
        open_input("default")


def test_channels_are_mixed_and_what_waits_is_bounded(portaudio):
    source = DeviceInput("monitor")
    (stream,) = portaudio.streams
    assert (stream.channels, stream.blocksize, stream.samplerate) == (2, 480, 48000.0)
    assert source.read(0.0) is None
    for n in range(80):
        stream.callback(np.array([[n, n + 2.0]] * 480, np.float32), 480, None, None)
    blocks = []
    while (block := source.read(0.0)) is not None:
        blocks.append(block)
    assert len(blocks) == 50
    assert blocks[-1].tolist() == [80.0] * 480
    source.close()
    assert portaudio.streams == []


def sound_file(path, seconds=0.5, hz=440.0):
    samples = np.sin(2 * np.pi * hz * np.arange(int(seconds * 44100)) / 44100) * 0.5
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(np.repeat((samples * 32767).astype("<i2"), 2).tobytes())
    return path


def test_a_file_is_played_in_its_own_time_and_again(tmp_path):
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    source = FileInput(sound_file(tmp_path / "tone.wav"), lambda: now[0], sleep)
    blocks = [source.read(0.25) for _ in range(120)]
    assert now[0] - 100 == pytest.approx(1.19)
    assert {block.shape for block in blocks} == {(480,)}
    assert 0.4 < np.abs(np.concatenate(blocks)).max() < 0.8
    source.close()


@pytest.mark.parametrize("content", [b"", b"no sound at all" * 100])
def test_a_file_without_sound_is_refused(tmp_path, content):
    path = tmp_path / "noise.wav"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"no sound from '.*noise.wav'"):
        open_input(str(path))
