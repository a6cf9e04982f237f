"""Uploads and downloads beside the computation, on streams that only take notes."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from livedream.runtimes.transfers import Download, Streams, Upload, streams_of


class Event:
    """Counts how often it was recorded and waited for."""

    def __init__(self, log):
        self.log, self.number = log, len(log.events)
        log.events.append(self)

    def record(self, stream):
        self.log.add(f"{stream} records {self.number}")

    def synchronize(self):
        self.log.add(f"host waits for {self.number}")


class Stream:
    def __init__(self, name, log):
        self.name, self.log = name, log

    def wait_event(self, event):
        self.log.add(f"{self.name} waits for {event.number}")

    def __str__(self):
        return self.name


class Notes(Streams):
    """Streams on which everything happens at once, and which write down in what order."""

    def __init__(self):
        self.notes, self.events = [], []
        self._current = self._main = Stream("main", self)

    def add(self, note):
        self.notes.append(note)

    def take(self):
        notes, self.notes = self.notes, []
        return notes

    def new(self):
        return Stream("side", self)

    def current(self):
        return self._current

    @contextmanager
    def use(self, stream):
        self._current = stream
        yield
        self._current = self._main

    def event(self):
        return Event(self)

    def pinned(self, like):
        return torch.empty_like(like, device="cpu")


def test_an_upload_fills_its_target():
    target = torch.zeros(2, 3)
    address = target.data_ptr()
    for streams in (None, Notes()):
        upload = Upload(target, streams)
        for n in range(5):
            upload(np.full((2, 3), n, np.float32))
            assert target.tolist() == [[n] * 3] * 2
    assert target.data_ptr() == address


def test_the_computation_waits_for_its_upload_and_the_next_upload_for_it():
    notes = Notes()
    upload = Upload(torch.zeros(1), notes)
    done, used = notes.events[0].number, notes.events[1].number
    upload(np.ones(1, np.float32))
    assert notes.take() == [
        f"host waits for {done}",
        f"side waits for {used}",
        f"side records {done}",
        f"main waits for {done}",
        f"main records {used}",
    ]
    upload(np.ones(1, np.float32))
    assert f"host waits for {done}" not in notes.take()  # the other buffer: the host need not wait
    upload(np.ones(1, np.float32))
    assert f"host waits for {done}" in notes.take()


def test_a_download_waits_only_when_its_result_is_asked_for():
    notes = Notes()
    source = torch.arange(3.0)
    download = Download(source, notes)
    finish = download.start()
    assert not any(note.startswith("host") for note in notes.take())
    assert finish().tolist() == [0, 1, 2]
    assert [note for note in notes.take() if note.startswith("host")] == ["host waits for 0"]


@pytest.mark.parametrize("make", [lambda: None, Notes])
def test_a_download_is_what_was_computed_when_it_began(make):
    source = torch.zeros(2)
    download = Download(source, make())
    first = download.start()
    source += 1
    second = download.start()
    source += 1
    kept = first()
    assert kept.tolist() == [0, 0]
    assert second().tolist() == [1, 1]
    download.start()
    assert kept.tolist() == [0, 0]  # the caller's own


def test_only_nvidias_cards_have_streams():
    assert streams_of(torch.device("cpu")) is None
    assert streams_of(torch.device("mps")) is None
    assert isinstance(streams_of(torch.device("cuda")), Streams)


@pytest.mark.gpu
def test_transfers_on_a_gpu():
    device = torch.device("cuda")
    target = torch.zeros(1000, device=device)
    upload, download = Upload(target, streams_of(device)), Download(target, streams_of(device))
    for n in range(20):
        upload(np.full(1000, n, np.float32))
        target.mul_(2)
        assert (download.start()() == 2 * n).all()
