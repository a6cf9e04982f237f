"""The control port: actions from any thread, announcements to all, and a broken control ends nothing."""

from __future__ import annotations

import threading

from livedream.controls.actions import Action, Nudge, Set, SetUnit, Toggle
from livedream.controls.port import Change, Controls, Inbox, Refusal
from livedream.settings import Settings


class Fader:
    """A control that the test moves."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.moves: list[Action] = []
        self.heard: list[Change | Refusal] = []
        self.closed = 0

    def poll(self) -> list[Action]:
        moves, self.moves = self.moves, []
        return moves

    def announce(self, news: Change | Refusal) -> None:
        self.heard.append(news)

    def close(self) -> None:
        self.closed += 1


class Broken(Fader):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.gone = threading.Event()

    def poll(self) -> list[Action]:
        raise OSError("unplugged")

    def close(self) -> None:
        self.gone.set()
        raise OSError("still unplugged")


def test_actions_come_with_the_name_of_their_control():
    fader, button = Fader("fader"), Fader("button")
    fader.moves, button.moves = [SetUnit("strength", 0.5)], [Toggle("mirror")]
    assert Controls(fader, button).poll() == [
        ("fader", SetUnit("strength", 0.5)),
        ("button", Toggle("mirror")),
    ]


def test_a_change_is_announced_to_all_and_names_its_origin():
    fader, page = Fader("fader"), Fader("page")
    change = Change("fader", ("strength",), Settings(strength=0.5))
    Controls(fader, page).announce(change)
    assert fader.heard == page.heard == [change]
    assert change.origin == "fader"


def test_a_refusal_is_announced_to_the_control_that_asked():
    fader, page = Fader("fader"), Fader("page")
    Controls(fader, page).announce(Refusal("page", Set("steps", 99), "out of range"))
    assert fader.heard == []
    assert len(page.heard) == 1


def test_a_control_that_fails_is_disabled_once_and_the_others_go_on():
    broken, fader = Broken("broken"), Fader("fader")
    controls = Controls(broken, fader)
    for _ in range(3):
        fader.moves = [Toggle("mirror")]
        assert controls.poll() == [("fader", Toggle("mirror"))]
    assert controls.faults() == ["broken disabled: OSError: unplugged"]
    assert broken.gone.wait(30)
    assert controls.faults() == []


def test_all_controls_are_closed():
    faders = [Fader("a"), Fader("b")]
    controls = Controls(*faders)
    controls.close()
    controls.close()
    assert [fader.closed for fader in faders] == [1, 1]


def test_only_the_newest_of_several_values_for_one_setting_waits():
    inbox = Inbox()
    for n in range(1000):
        inbox.put(SetUnit("strength", n / 1000))
    inbox.put(Nudge("steps", 1))
    inbox.put(Nudge("steps", 1))
    inbox.put(Set("strength", 2.0))
    assert inbox.take() == [
        SetUnit("strength", 0.999),
        Nudge("steps", 1),
        Nudge("steps", 1),
        Set("strength", 2.0),
    ]
    assert inbox.take() == []
    assert inbox.dropped == 0


def test_a_full_inbox_drops_the_oldest_and_counts():
    inbox = Inbox(capacity=10)
    for n in range(25):
        inbox.put(Nudge("steps", n))
    assert inbox.take() == [Nudge("steps", n) for n in range(15, 25)]
    assert inbox.dropped == 15


def test_actions_of_many_threads_all_arrive():
    inbox = Inbox(capacity=10_000)
    threads = [
        threading.Thread(target=lambda: [inbox.put(Nudge("steps", 1)) for _ in range(500)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inbox.take()) == 4000
