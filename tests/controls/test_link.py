"""Ableton Link, by a stand-in of its library's interface."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from livedream.controls.actions import Beat
from livedream.controls.link import Link


@dataclass
class FakeSession:
    """A session; ``broken`` is one whose library fails."""

    num_peers: int = 0
    tempo: float = 120.0
    beat: float = 0.0
    enabled: bool = False
    broken: bool = False

    def __post_init__(self) -> None:
        if self.broken:
            raise OSError("no network")


@pytest.fixture
def link():
    links = []

    def join(session, clock=lambda: 7.0) -> Link:
        links.append(Link(session, clock))
        return links[-1]

    yield join
    for one in links:
        one.close()


def actions(link: Link) -> list:
    deadline, found = time.monotonic() + 30, []
    while not found and time.monotonic() < deadline:
        found = link.poll()
        time.sleep(0.001)
    return found


def test_the_tempo_of_others_is_followed(link):
    session = FakeSession(num_peers=2, tempo=97.5, beat=12.25)
    assert actions(link(lambda: session))[0] == Beat(97.5, 12.25, 7.0)


def test_alone_nothing_is_said(link):
    session = FakeSession()
    one = link(lambda: session)
    one.look(session)
    assert one.poll() == []


def test_it_leaves_the_session_when_it_is_closed(link):
    session = FakeSession(num_peers=1)
    one = link(lambda: session)
    assert actions(one)
    assert session.enabled
    one.close()
    one.close()
    assert not session.enabled


def test_a_library_that_fails_is_logged_and_the_show_goes_on(link, caplog):
    one = link(lambda: FakeSession(broken=True))
    one.close()
    assert "Link: no network" in caplog.text
    assert one.poll() == []
