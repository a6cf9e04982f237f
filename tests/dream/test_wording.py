"""Words over time: a fader without steps, a walk at the journey's pace, a patient eye for what is seen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from livedream.dream.recognising import LOOK_EVERY_S, UNSAID, Recogniser
from livedream.dream.targets import Target, Words
from livedream.dream.wording import Wording, emphasis_of, words_of
from livedream.errors import UsageError
from livedream.networks.words import word_table
from livedream.settings import Settings

TICK_S = 1 / 30
CASTLE = Settings(dream_of="castle")


def step(wording: Wording, settings: Settings) -> tuple[object, Words]:
    """The key and the words, where they are dreamt at once."""
    key, ((words, weight),) = (found := wording.step(settings, TICK_S))[0], found[1].items()
    assert weight == 1
    return key, words


def share(words: Words, word: str) -> float:
    return dict(words).get(word, 0.0)


def test_without_words_there_are_none():
    assert step(Wording(), Settings()) == (None, ())


def test_words_are_dreamt_by_their_shares():
    _, words = step(Wording(), Settings(dream_of="castle, daisy:0.5"))
    assert words == (("castle", pytest.approx(2 / 3)), ("daisy", pytest.approx(1 / 3)))


def test_the_same_words_weigh_the_same_channels():
    target = Target("dreamnet", "objects", words=words_of("dreamnet", "castle, daisy"))
    weights = emphasis_of(target)
    assert weights is emphasis_of(target)  # a device need not take it again
    one, other = (
        emphasis_of(Target("dreamnet", "objects", words=((word, 1.0),))) for word in ("castle", "daisy")
    )
    assert weights == pytest.approx((one + other) / 2, abs=1e-6)
    assert weights.dtype == np.float32
    assert np.abs(one).mean() == pytest.approx(1, rel=1e-3)
    assert emphasis_of(Target("dreamnet", "objects")) is None


def test_a_fader_moves_smoothly_and_asks_for_no_crossfade():
    wording = Wording()
    settings = CASTLE.replace(dream_to="daisy")
    key, words = step(wording, settings)
    assert words == (("castle", 1.0),)
    seen = [0.0]
    for _ in range(60):
        now, words = step(wording, settings.replace(dream_blend=0.6))
        assert now == key
        seen.append(share(words, "daisy"))
    assert seen[-1] == pytest.approx(0.6, abs=0.01)
    assert max(np.diff(seen)) < 0.15
    assert min(np.diff(seen)) >= 0


def test_a_fader_at_the_start_is_where_it_is():
    _, words = step(Wording(), CASTLE.replace(dream_to="daisy", dream_blend=0.5))
    assert words == (("castle", 0.5), ("daisy", 0.5))
    assert step(Wording(), CASTLE.replace(dream_to="daisy", dream_blend=1.0))[1] == (("daisy", 1.0),)


def test_without_a_word_a_fader_begins_at_the_whole_layer():
    _, both = Wording().step(Settings(dream_to="daisy", dream_blend=0.25), TICK_S)
    assert both == {(): 0.75, (("daisy", 1.0),): 0.25}


def walk(settings: Settings, seconds: float) -> list[Words]:
    wording = Wording()
    steps = [step(wording, settings) for _ in range(round(seconds / TICK_S))]
    assert len({key for key, _ in steps}) == 1
    return [words for _, words in steps]


def test_a_walk_holds_and_fades_round_the_list():
    settings = Settings(
        dream_of="castle, daisy, birds", word_walk=True, journey_hold_s=2.0, journey_fade_s=1.0
    )
    words = walk(settings, 10.0)
    assert words[45] == (("castle", 1.0),)
    assert share(words[74], "daisy") == pytest.approx(0.5, abs=0.05)
    assert [max(words[n], key=lambda pair: pair[1])[0] for n in (10, 100, 200, 290)] == [
        "castle",
        "daisy",
        "birds",
        "castle",
    ]
    jumps = [abs(share(a, "daisy") - share(b, "daisy")) for a, b in pairwise(words)]
    assert max(jumps) < 0.06


def test_a_walk_follows_the_beat():
    settings = Settings(dream_of="castle, daisy", word_walk=True, journey_bpm=120.0, journey_beats=4)
    words = walk(settings, 4.1)  # 2 s for each
    assert share(words[-1], "castle") > 0.9
    assert share(words[60], "daisy") > 0.9


def test_a_walk_without_several_words_goes_through_the_palette_from_the_word_on():
    settings = Settings(palette="castle, birds, daisy", word_walk=True, journey_hold_s=1.0, journey_fade_s=0)
    assert walk(settings, 0.1)[-1] == (("castle", 1.0),)
    words = walk(settings.replace(dream_of="birds"), 1.5)
    assert (words[0], words[-1]) == ((("birds", 1.0),), (("daisy", 1.0),))


def test_a_palette_without_known_words_is_refused():
    with pytest.raises(UsageError, match="word_walk has no words"):
        Wording().step(Settings(palette="xyzzy", word_walk=True), TICK_S)


def looks(recogniser: Recogniser, found: dict[str, float], start_s: float, seconds: float) -> list[Words]:
    seen = []
    for n in range(round(seconds / LOOK_EVERY_S)):
        recogniser.look(found.items(), start_s + n * LOOK_EVERY_S)
        seen.append(recogniser.words)
    return seen


def test_the_likeliest_classes_are_dreamt_at_once():
    recogniser = Recogniser()
    assert recogniser.due(0.0)
    recogniser.look([("tabby", 0.5), ("tiger cat", 0.25), ("lynx", 0.1)], 0.0)
    assert recogniser.words == (("tabby", pytest.approx(2 / 3)), ("tiger cat", pytest.approx(1 / 3)))
    assert [word for word, _ in recogniser.seen] == ["tabby", "tiger cat", "lynx"]
    assert not recogniser.due(0.5)
    assert recogniser.due(LOOK_EVERY_S)


def test_a_glimpse_changes_nothing():
    recogniser = Recogniser()
    looks(recogniser, {"tabby": 0.5, "lynx": 0.2}, 0.0, 20.0)
    before = recogniser.words
    recogniser.look([("mask", 0.5)], 20.0)
    looks(recogniser, {"tabby": 0.5, "lynx": 0.2}, 21.0, 10.0)
    assert recogniser.words == before


def test_what_is_hardly_likelier_changes_nothing():
    recogniser = Recogniser()
    before = looks(recogniser, {"tabby": 0.3, "lynx": 0.2}, 0.0, 3.0)[-1]
    # For longer than a choice is held in any case, and not so long that it is worn.
    assert looks(recogniser, {"mask": 0.25, "tabby": 0.3, "lynx": 0.2}, 3.0, 12.0)[-1] == before


def test_what_has_come_is_dreamt_in_the_end_and_not_more_often_than_it_can_be_seen():
    recogniser = Recogniser()
    looks(recogniser, {"tabby": 0.5, "lynx": 0.2}, 0.0, 10.0)
    after = looks(recogniser, {"mask": 0.4, "wig": 0.3}, 10.0, 8.0)
    assert {word for word, _ in after[-1]} == {"mask", "wig"}
    flipping = [
        recogniser.look([("a", 0.9)] if n % 4 < 2 else [("b", 0.9)], 20.0 + n) or recogniser.words
        for n in range(60)
    ]
    assert sum(a != b for a, b in pairwise(flipping)) <= 10


def test_before_the_same_sight_for_minutes_other_guesses_have_their_turn():
    recogniser = Recogniser()
    sight = {"neck brace": 0.14, "bow tie": 0.09, "wig": 0.06, "mask": 0.05, "gown": 0.04}
    dreamt = [{word for word, _ in words} for words in looks(recogniser, sight, 0.0, 240.0)]
    assert dreamt[20] == {"neck brace", "bow tie"}
    assert set.union(*dreamt) == set(sight)
    assert sum(a != b for a, b in pairwise(dreamt)) <= 18  # a quarter of a minute for each
    assert [word for word, _ in recogniser.seen] == [
        "neck brace",
        "bow tie",
        "wig",
    ]


def test_a_mirror_insults_nobody():
    known = word_table("dreamnet").words
    assert set(known) >= UNSAID
    recogniser = Recogniser()
    recogniser.look([("gorilla", 0.6), ("nipple", 0.2), ("bow tie", 0.1), ("wig", 0.05)], 0.0)
    assert recogniser.seen == (("bow tie", 0.1), ("wig", 0.05))
    assert [word for word, _ in recogniser.words] == ["bow tie", "wig"]
