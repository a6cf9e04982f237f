"""What is wrong although pictures come, in words and by kind."""

from __future__ import annotations

from livedream.ipc.protocol import DreamStatus, SourceStatus
from livedream.settings import Settings
from livedream.show.facts import troubles
from livedream.show.snapshot import Snapshot


def test_all_is_well():
    assert troubles(Snapshot(Settings())) == ()


def test_what_stands_in_for_something_else_is_named():
    source = SourceStatus(
        phase="running", fallback=True, message="camera 0 lost; showing clouds until it returns"
    )
    dream = DreamStatus(phase="dreaming", error="the layer cannot be dreamt")
    found = troubles(Snapshot(Settings(), source=source, dream=dream, failing=("window",)))
    assert {trouble.kind: trouble.text for trouble in found} == {
        "source": "camera 0 lost; showing clouds until it returns",
        "dream": "the layer cannot be dreamt",
        "output: window": "window does not work, and is tried again",
    }
