"""OSC over loopback, with python-osc and liblo's tools as the clients: actions in, feedback out."""

from __future__ import annotations

import logging
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import build_msg
from pythonosc.udp_client import SimpleUDPClient

from livedream.controls.actions import Action, Command, Cycle, Set, SetUnit, Toggle
from livedream.controls.desk import Desk, SceneTitle
from livedream.controls.osc import Osc, Ration
from livedream.controls.osc_feedback import CLIENT_PORT, Clients
from livedream.controls.osc_message import messages
from livedream.controls.port import Change, Refusal
from livedream.errors import OutputError
from livedream.settings import SPECS, Settings
from tests.clocks import Clock

#: How long a datagram may take on a machine with other work; reached only by a test that fails.
PATIENCE_S = 20.0


class Listener:
    """A client that hears feedback."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.address = self.socket.getsockname()
        self.heard: dict[str, object] = {}

    def hear(self, address: str) -> object:
        """Wait until a value for ``address`` comes; all others that come are in ``heard``."""
        self.heard.pop(address, None)
        self.socket.settimeout(PATIENCE_S)
        while address not in self.heard:
            self.heard |= {name: value for name, (value,) in messages(self.socket.recv(9000))}
        return self.heard[address]


class Show:
    """The control, and a show that accepts everything."""

    def __init__(self, *feedback: Listener) -> None:
        self.desk, self.clock = Desk(Settings()), Clock()
        self.desk.view = replace(self.desk.view, scenes=(SceneTitle("eyes"),))
        targets = [listener.address for listener in feedback]
        self.osc = Osc(self.desk, port=0, feedback=targets, clock=self.clock)
        self.client = SimpleUDPClient(*self.osc.address)
        self.settings = Settings()

    def received(self, count: int) -> None:
        """Wait until so many datagrams have been read."""
        self.until(lambda: self.osc.counts["received"] >= count)

    def until(self, found: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not found():
            assert time.monotonic() < end, self.osc.monitor()
            time.sleep(0.001)

    def asked(self) -> list[Action]:
        """What the show is asked for next; it waits for that."""
        found: list[Action] = []

        def poll() -> bool:
            self.clock.now += 1
            found.extend(self.osc.poll())
            return bool(found)

        self.until(poll)
        return found

    def change(self, origin: str, scene: str = "", **values: object) -> None:
        self.settings = self.settings.replace(**values)
        self.osc.announce(Change(origin, tuple(values), self.settings, scene))


@contextmanager
def running(*feedback: Listener) -> Iterator[Show]:
    show = Show(*feedback)
    try:
        yield show
    finally:
        show.osc.close()
        show.osc.close()
        show.client._sock.close()
        for listener in feedback:
            listener.socket.close()


@pytest.fixture
def show() -> Iterator[Show]:
    with running() as show:
        yield show


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.socket.close()


def test_messages_become_actions(show):
    show.client.send_message("/dream/strength", 0.5)
    assert show.asked() == [SetUnit("strength", 0.5)]
    show.client.send_message("/dream/blackout", [])
    assert show.asked() == [Toggle("blackout")]
    show.client.send_message("/dream/snapshot", 1)
    assert show.asked() == [Command.SNAPSHOT]


@pytest.mark.skipif(not shutil.which("oscsend"), reason="needs oscsend: apt install liblo-tools")
def test_liblos_oscsend_is_understood(show):
    url = "osc.udp://{}:{}".format(*show.osc.address)
    for words in (
        ["/dream/strength", "f", "0.25"],
        ["/dream/blackout", "T"],
        ["/dream/steps/value", "s", "4"],
    ):
        subprocess.run(["oscsend", url, *words], check=True, timeout=PATIENCE_S)
    show.received(3)
    assert show.asked() == [SetUnit("strength", 0.25), Set("blackout", True), Set("steps", 4)]


@pytest.mark.skipif(not shutil.which("oscdump"), reason="needs oscdump: apt install liblo-tools")
def test_liblos_oscdump_hears_what_changes():
    listener, lines = Listener(), []
    port = listener.address[1]
    with running(listener) as show:
        listener.socket.close()
        with subprocess.Popen(["oscdump", "-L", str(port)], stdout=subprocess.PIPE, text=True) as dump:
            threading.Thread(target=lambda: lines.append(dump.stdout.readline())).start()
            show.until(lambda: lines or show.change("keyboard", strength=time.monotonic() % 3))
            dump.kill()
        assert "/dream/strength" in lines[0]


def test_of_a_moving_fader_the_newest_value_counts_and_the_order_is_kept(show):
    for n in range(50):
        show.client.send_message("/dream/zoom", n / 100)
        show.client.send_message("/dream/strength", n / 50)
    show.client.send_message("/dream/zoom", 0.5)
    show.client.send_message("/dream/layer/next", [])
    show.received(102)
    actions = show.osc.poll()
    assert actions == [
        SetUnit("strength", pytest.approx(0.98)),
        SetUnit("zoom", 0.5),
        Cycle("layer", 1),
    ]
    assert show.osc.poll() == []


def test_values_reach_the_show_sixty_times_a_second_and_buttons_at_once(show):
    show.client.send_message("/dream/strength", 0.1)
    show.received(1)
    assert len(show.osc.poll()) == 1
    show.client.send_message("/dream/strength", 0.2)
    show.received(2)
    assert show.osc.poll() == []
    show.clock.now += 0.02
    assert show.osc.poll() == [SetUnit("strength", pytest.approx(0.2))]
    show.client.send_message("/dream/strength", 0.3)
    show.client.send_message("/dream/record", 1)
    show.received(4)
    assert show.osc.poll() == [SetUnit("strength", pytest.approx(0.3)), Command.RECORD]


def test_sixty_datagrams_are_read_in_twenty_milliseconds():
    ration = Ration()
    assert [ration.pause_s(10.001) for _ in range(59)] == [0.0] * 59
    assert ration.pause_s(10.006) == pytest.approx(0.015)
    assert ration.pause_s(10.021) == 0.0
    assert ration.pause_s(10.03, 3000) == pytest.approx(0.991, abs=1e-3)  # an enormous bundle


def test_a_thousand_datagrams_a_second_are_read_without_a_pause():
    ration = Ration()
    assert not any(ration.pause_s(n / 1000) for n in range(5000))


def test_a_flood_of_buttons_is_bounded_and_counted(show):
    sent = 0
    for _ in range(40):  # in portions that the socket's buffer can hold
        for _ in range(20):
            show.client.send_message("/dream/blackout", [])
        sent += 20
        show.received(sent)
    assert len(show.osc.poll()) <= 32
    waiting = 0
    while actions := show.osc.poll():
        waiting += len(actions)
    assert waiting < 256
    assert show.osc.counts["dropped"] == 800 - 256


def test_a_change_is_told_to_clients_as_a_position_and_as_a_value(listener):
    with running(listener) as show:
        show.change("keyboard", strength=1.5, blackout=True, mix="ink", steps=4, palette="castle")
        assert listener.hear("/dream/palette/value") == "castle"
        told = listener.heard
        assert told["/dream/strength"] == 0.5
        assert told["/dream/strength/value"] == 1.5
        assert told["/dream/blackout"] == told["/dream/blackout/value"] == 1
        assert (told["/dream/mix"], told["/dream/mix/value"]) == (1.0, "ink")
        assert told["/dream/steps/value"] == 4
        assert isinstance(told["/dream/steps/value"], int)
        show.change("scene", scene="eyes", strength=1.0)
        assert listener.hear("/dream/scene") == "eyes"


def test_a_change_never_goes_back_to_its_sender_and_does_go_to_the_others():
    sender, other = Listener("127.0.0.1"), Listener("127.0.0.2")
    with running(sender, other) as show:
        show.client.send_message("/dream/strength", 0.5)
        (action,) = show.asked()
        assert action == SetUnit("strength", 0.5)
        show.change("osc", strength=1.5, zoom=3.0)  # zoom follows from it
        assert other.hear("/dream/zoom/value") == 3.0
        assert other.heard["/dream/strength"] == 0.5
        assert sender.hear("/dream/zoom/value") == 3.0
        assert "/dream/strength" not in sender.heard

        show.osc.poll()
        show.change("keyboard", strength=1.0)  # by somebody else
        assert sender.hear("/dream/strength/value") == 1.0


def test_of_two_senders_the_one_whose_value_lost_is_told():
    first, second = Listener("127.0.0.1"), Listener("127.0.0.2")
    with running(first, second) as show:
        first.socket.sendto(build_msg("/dream/strength", [0.1]).dgram, show.osc.address)
        show.received(1)
        second.socket.sendto(build_msg("/dream/strength", [0.5]).dgram, show.osc.address)
        show.received(2)
        assert show.asked() == [SetUnit("strength", 0.5)]
        show.change("osc", strength=1.5)
        assert first.hear("/dream/strength/value") == 1.5
        show.osc.poll()
        show.change("keyboard", zoom=1.0)
        second.hear("/dream/zoom/value")
        assert "/dream/strength/value" not in second.heard


def test_a_question_is_answered_to_its_sender_after_what_came_before_it(listener):
    with running() as show:
        show.change("keyboard", strength=1.0)
        for values in ([0.5], ["?"]):
            listener.socket.sendto(build_msg("/dream/strength", values).dgram, show.osc.address)
        show.received(2)
        assert show.asked() == [SetUnit("strength", 0.5)]
        show.change("osc", strength=1.5)
        show.osc.poll()
        assert listener.hear("/dream/strength/value") == 1.5
        assert listener.heard["/dream/strength"] == 0.5


def test_everything_can_be_asked_for_at_once(listener):
    with running() as show:
        listener.socket.sendto(build_msg("/dream", ["?"]).dgram, show.osc.address)
        show.received(1)
        show.osc.poll()
        show.osc.poll()
        listener.hear("/dream/scene")
        assert {f"/dream/{name}/value" for name in SPECS} <= {*listener.heard}


def test_who_has_sent_is_told_at_port_9001():
    clock = Clock()
    clients = Clients([("10.0.0.9", 7000)], clock)
    clients.sent("10.0.0.1")
    assert clients.all() == (("10.0.0.9", 7000), ("10.0.0.1", CLIENT_PORT))
    assert CLIENT_PORT == 9001


def test_clients_are_forgotten_after_five_minutes_and_at_most_32():
    clock = Clock()
    clients = Clients([], clock)
    clients.sent("10.0.0.1")
    clock.now += 200
    for n in range(31):
        clients.sent(f"10.0.1.{n}")
    assert len(clients.all()) == 32
    clients.sent("10.0.2.1")
    assert ("10.0.0.1", 9001) not in clients.all()
    assert len(clients.all()) == 32
    clock.now += 301
    assert clients.all() == ()


def test_an_address_is_told_at_most_thirty_times_a_second_and_last_of_the_last_value(listener):
    with running(listener) as show:
        began = time.monotonic()
        for n in range(2000):
            show.change("midi", zoom=n / 100)
        assert show.settings.zoom == 19.99
        while listener.hear("/dream/zoom/value") != pytest.approx(19.99):
            pass
        took = time.monotonic() - began
        assert show.osc.counts["sent"] <= 2 * (2 + took * 30)


def test_feedback_rests_between_two_values_of_an_address(listener, monkeypatch):
    monkeypatch.setattr("livedream.controls.osc_feedback._PAUSE_S", 3600.0)
    with running(listener) as show:
        show.change("midi", zoom=1.0)
        assert listener.hear("/dream/zoom/value") == 1.0
        show.change("midi", zoom=2.0)
        listener.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.socket.recv(100)


def test_a_flood_of_questions_is_answered_in_portions():
    clients = [Listener() for _ in range(6)]
    with running(*clients) as show:
        for client in clients:
            client.socket.sendto(build_msg("/dream", ["?"]).dgram, show.osc.address)
        show.received(6)
        show.osc.poll()
        with show.osc._feedback._news:
            show.osc.poll()
            first = show.osc._feedback._take()
            assert 300 <= len(first) < 600
            assert show.osc._feedback._waiting


def test_a_bundle_in_the_future_neither_waits_nor_breaks_anything(show):
    future = OscBundleBuilder(time.time() + 3600)
    future.add_content(build_msg("/dream/strength", [0.75]))
    show.client.send(future.build())
    assert show.asked() == [SetUnit("strength", 0.75)]


def test_it_listens_on_after_anything(show, caplog):
    head = b"#bundle\0" + b"\0" * 8
    nonsense = [
        b"",
        b"\0",
        b"/",
        b"/dream\xff\0\0,f\0\0",
        head + struct.pack(">i", -4),
        b"#bundle\0",
        b"x" * 60000,
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        for data in nonsense:
            raw.sendto(data, show.osc.address)
    show.client.send_message("/dream/strength", "loud")
    show.client.send_message("/dream/strength", 0.5)
    assert show.asked() == [SetUnit("strength", 0.5)]
    assert show.osc.counts["malformed"] == len(nonsense)
    assert show.osc.counts["refused"] == len(nonsense) + 1


def test_it_listens_on_after_a_mistake_of_its_own(show, monkeypatch):
    def broken(*_: object) -> None:
        raise TypeError("nobody thought of that")

    with monkeypatch.context() as patch:
        patch.setattr("livedream.controls.osc.understand", broken)
        show.client.send_message("/dream/strength", 0.5)
        show.received(1)
    assert show.osc.monitor()[-1].verdict == "TypeError: nobody thought of that"
    show.client.send_message("/dream/strength", 0.5)
    assert show.asked() == [SetUnit("strength", 0.5)]


def test_refusals_are_logged_once_a_second_and_counted(show, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(20):
        show.client.send_message("/dream/strength/value", 99)
    show.received(20)
    assert len(caplog.records) == 1
    assert "setting strength: invalid value 99: expected 0–3 ×" in caplog.text
    show.clock.now += 1.1
    show.client.send_message("/dream/loudness", 1)
    show.received(21)
    assert len(caplog.records) == 2
    assert "unknown OSC address '/dream/loudness'" in caplog.text
    assert "and 19 more" in caplog.text


def test_the_monitor_has_the_last_messages_in_and_out(listener):
    with running(listener) as show:
        show.client.send_message("/dream/strength/value", 99)
        show.client.send_message("/dream/layer", "nonsense")
        (action,) = show.asked()
        show.osc.announce(Refusal("osc", action, "unknown layer 'nonsense'"))
        refused, layer = show.osc.monitor()
        assert (refused.direction, refused.address, refused.arguments) == (
            "in",
            "/dream/strength/value",
            (99,),
        )
        assert "expected 0–3" in refused.verdict
        assert layer.verdict == "unknown layer 'nonsense'"
        assert show.osc.counts["refused"] == 2
        show.change("keyboard", blackout=True)
        listener.hear("/dream/blackout/value")
        show.until(lambda: len(show.osc.monitor()) == 6)  # both addresses to the listener and to the sender
        sent = [heard for heard in show.osc.monitor() if heard.peer == f"127.0.0.1:{listener.address[1]}"]
        assert [(heard.direction, heard.verdict) for heard in sent] == [("out", "")] * 2
        for n in range(30):
            for _ in range(10):
                show.client.send_message("/dream/zoom", 0.5)
            show.received(2 + (n + 1) * 10)
        assert len(show.osc.monitor()) == 200


def test_a_port_that_is_taken_is_one_line(show):
    with pytest.raises(
        OutputError, match=r"cannot listen for OSC on 127.0.0.1 port \d+: .*; possible: another"
    ):
        Osc(Desk(Settings()), port=show.osc.address[1])


def test_who_is_in_the_network_may_not_send_images_to_a_room_of_their_own(show):
    own, other = "ws://10.0.0.7:8850", "ws://10.6.6.6:8850"
    show.osc._room = own
    taken = []
    for host, value in [("10.0.0.9", other), ("10.0.0.9", ""), ("10.0.0.9", own), ("127.0.0.1", other)]:
        show.osc._receive(build_msg("/dream/dream_at/value", [value]).dgram, (host, 5000))
        show.clock.now += 1
        taken += show.osc.poll()
    assert taken == [Set("dream_at", value) for value in ("", own, other)]
    assert show.osc.counts["refused"] == 1
    verdict = next(heard.verdict for heard in show.osc.monitor() if heard.verdict)
    assert verdict == f"dream_at by OSC from another machine: expected nothing, or {own}"
