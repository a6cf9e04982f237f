"""Orders: what has changed is sent, what works is remembered, what kills the dream is taken back."""

from __future__ import annotations

import pytest

from livedream.controls.port import Change
from livedream.ipc.protocol import DreamStatus, Unavailable
from livedream.performance.played import Played
from livedream.settings import Settings
from livedream.show.orders import Orders, instead_of

GOOD, BAD = Settings(layer="edges"), Settings(layer="objects")


def dreaming(orders: Orders, now: float, seconds: float) -> None:
    """The dream follows the newest order for so long."""
    for n in range(int(seconds * 4) + 1):
        number = orders.newest.number
        orders.watch(DreamStatus(phase="dreaming", order=number, ticks=n + 1), now + n / 4)


def test_an_order_is_made_only_when_something_has_changed():
    orders = Orders()
    first = orders.make(Played(GOOD), 16 / 9)
    assert orders.make(Played(GOOD), 16 / 9) is None
    second = orders.make(Played(GOOD), None)
    third = orders.make(Played(GOOD, transition_s=2.0), None)
    assert [order.number for order in (first, second, third)] == [1, 2, 3]
    assert (second.aspect, third.transition_s) == (None, 2.0)


def test_the_dream_is_told_the_cameras_rate_and_how_late_the_pictures_are():
    orders = Orders()
    orders.make(Played(GOOD), None, 30.0)
    assert orders.make(Played(GOOD), None, 30.0, 0.0) is None
    late = orders.make(Played(GOOD), None, 30.0, 0.2)
    assert (late.number, late.camera_hz, late.late) == (2, 30.0, 0.2)


def test_settings_that_kill_the_dream_twice_are_taken_back_once():
    orders = Orders()
    orders.make(Played(GOOD), None)
    dreaming(orders, 0.0, 11.0)
    orders.make(Played(BAD), None)
    orders.died()
    assert orders.restored() is None
    orders.died()
    said = "the dream crashed twice with layer objects; back to what worked before"
    assert orders.restored() == (GOOD, said)
    assert orders.restored() is None


def test_deaths_with_proved_settings_in_between_do_not_count_together():
    orders = Orders()
    orders.make(Played(GOOD), None)
    dreaming(orders, 0.0, 11.0)
    orders.make(Played(BAD), None)
    orders.died()
    dreaming(orders, 20.0, 11.0)
    orders.died()
    assert orders.restored() is None


def test_settings_that_have_only_just_begun_are_not_good_ones():
    orders = Orders()
    orders.make(Played(GOOD), None)
    dreaming(orders, 0.0, 11.0)
    orders.make(Played(BAD), None)
    dreaming(orders, 12.0, 2.0)
    orders.died()
    orders.died()
    assert orders.restored()[0] == GOOD


def test_without_settings_that_ever_worked_nothing_is_taken_back():
    orders = Orders()
    orders.make(Played(BAD), None)
    for _ in range(5):
        orders.died()
    assert orders.restored() is None


@pytest.fixture
def set_aside():
    """Orders of which one has killed the dream twice."""
    orders = Orders()
    orders.make(Played(GOOD), None)
    dreaming(orders, 0.0, 11.0)
    orders.make(Played(BAD), None)
    orders.died()
    orders.died()
    orders.make(Played(GOOD), None)
    return orders


def test_what_killed_the_dream_is_not_tried_again_by_itself(set_aside):
    brighter = BAD.replace(strength=0.3)  # the attract scene wants it again, say
    set_aside.chosen(Change("attract", ("layer", "strength"), brighter))
    assert set_aside.make(Played(brighter), None).settings == GOOD.replace(strength=0.3)


def test_what_killed_the_dream_is_tried_again_when_somebody_chooses_it(set_aside):
    set_aside.chosen(Change("keyboard", ("strength",), GOOD.replace(strength=0.3)))
    assert set_aside.make(Played(BAD), None).settings == GOOD
    set_aside.chosen(Change("keyboard", ("layer",), BAD))
    assert set_aside.make(Played(BAD), 1.0).settings == BAD


def test_of_many_settings_the_first_are_named():
    orders = Orders()
    orders.make(Played(GOOD), None)
    dreaming(orders, 0.0, 11.0)
    bad = BAD.replace(steps=9, octaves=5, jitter=7, zoom=3.0, working_px=640, drift=0.3)
    orders.make(Played(bad), None)
    orders.died()
    orders.died()
    said = orders.restored()[1]
    assert "layer objects" in said
    assert said.endswith(" and 1 more; back to what worked before")


PLAIN = {"dream_of": "", "dream_to": "", "word_walk": False, "surprise": False}
WANTED = Settings(network="bvlc_googlenet", layer="inception_4c", guide="cat.png")
DREAMT = DreamStatus(network="dreamnet", layer="edges", channels="3", guide="")


@pytest.mark.parametrize(
    ("missing", "instead"),
    [
        (Unavailable(), {}),
        (
            Unavailable(network="bvlc_googlenet"),
            {"network": "dreamnet", "layer": "edges", "channels": "3", **PLAIN},
        ),
        (Unavailable(network="vgg16"), {}),  # an older wish
        (Unavailable(network="bvlc_googlenet", layer="inception_3b"), {}),
        (
            Unavailable(network="bvlc_googlenet", layer="inception_4c"),
            {"network": "dreamnet", "layer": "edges", "channels": "3", **PLAIN},
        ),
        (Unavailable(guide="cat.png"), {"guide": ""}),
        (Unavailable(guide="dog.png"), {}),
    ],
)
def test_what_cannot_be_dreamt_is_no_longer_wanted(missing, instead):
    status = DreamStatus(
        network=DREAMT.network, layer=DREAMT.layer, channels=DREAMT.channels, unavailable=missing
    )
    assert instead_of(WANTED, status) == instead


def test_words_return_with_the_network_that_has_them_and_without_a_guide():
    status = DreamStatus(
        network="dreamnet",
        layer="parts",
        dream_of="castle",
        surprise=True,
        unavailable=Unavailable(network="bvlc_googlenet"),
    )
    instead = WANTED.replace(**instead_of(WANTED, status))
    assert (instead.layer, instead.dream_of, instead.surprise, instead.guide) == ("parts", "castle", True, "")


def test_modulation_alone_makes_an_order_thirty_times_a_second_and_is_not_taken_for_wanted():
    orders = Orders()
    made = []
    for n in range(120):
        moved = GOOD.replace(zoom=n / 10)
        made.append(orders.make(Played(moved, centre=GOOD), None, now=n / 120))
    assert sum(order is not None for order in made) in (29, 30, 31)
    knob = GOOD.replace(strength=2.0)
    assert orders.make(Played(knob.replace(zoom=9.0), centre=knob), None, now=119 / 120) is not None
    dreaming(orders, 2.0, 11.0)
    orders.make(Played(BAD, centre=BAD), None, now=20.0)
    orders.died()
    orders.died()
    assert orders.restored()[0] == knob
