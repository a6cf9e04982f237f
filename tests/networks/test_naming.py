"""Settings that name dreams: known words under their own names, and one clear line for all others."""

from __future__ import annotations

import pytest

from livedream.errors import UsageError
from livedream.networks.naming import check_words, completions, palette_words, walked_words
from livedream.settings import Settings


def test_words_are_written_as_the_table_calls_them():
    settings = check_words(Settings(dream_of="  Castle,Daisy:0.5, castle", dream_to="BIRDS"))
    assert (settings.dream_of, settings.dream_to) == ("castle:2, daisy:0.5", "birds")
    assert check_words(settings) == settings


def test_without_words_nothing_is_looked_up():
    settings = Settings(network="vgg16", layer="edges")
    assert check_words(settings) is settings


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dream_of": "castel"}, "unknown word 'castel'; did you mean 'castle'"),
        ({"dream_to": "castel"}, "did you mean 'castle'"),
        ({"dream_of": "castle,,daisy"}, "possible: "),
        ({"dream_of": "castle:-1"}, "not a weight"),
        ({"dream_of": ", ".join(f"w{n}" for n in range(50))}, "at most 12"),
        (
            {"dream_of": "castle", "layer": "edges"},
            "layer edges of dreamnet has no words; possible: patterns",
        ),
        (
            {"dream_of": "castle", "layer": "textures:0.3,parts:0.7"},
            "layer textures of dreamnet has no words",
        ),
        ({"surprise": True, "layer": "edges"}, "layer edges of dreamnet has no words"),
        ({"dream_of": "castle", "network": "vgg16"}, "vgg16.*livedream models words vgg16"),
        ({"dream_of": "castle", "guide": "cat.png"}, "guide 'cat.png' cannot be dreamt at once"),
        ({"dream_of": "castle", "channels": "3"}, "channels '3' cannot be dreamt at once"),
        ({"word_walk": True, "palette": "xyzzy"}, "word_walk has no words"),
        ({"palette": "castle,,daisy"}, "palette .*an empty word"),
        ({"palette": ",".join(f"w{n}" for n in range(101))}, "101 words"),
    ],
)
def test_what_cannot_be_dreamt_is_one_line_that_says_what_is_possible(changes, told):
    with pytest.raises(UsageError, match=told) as error:
        check_words(Settings().replace(**changes))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_the_default_palette_is_known():
    assert len(palette_words(Settings())) == len(Settings().palette.split(","))
    assert palette_words(Settings(network="bvlc_googlenet")) == palette_words(Settings())


def test_a_palette_keeps_what_the_network_has():
    assert palette_words(Settings(palette="castle, xyzzy, Daisy, castle")) == ("castle", "daisy")
    assert palette_words(Settings(palette="")) == ()
    assert palette_words(Settings(network="vgg16")) == ()


def test_a_walk_goes_through_several_words_or_the_palette():
    assert walked_words(Settings(dream_of="castle, daisy")) == ("castle", "daisy")
    assert walked_words(Settings(palette="castle, daisy, birds", dream_of="daisy")) == (
        "daisy",
        "birds",
        "castle",
    )


def test_the_last_word_is_completed():
    assert "castle" in completions(Settings(), "cast")
    assert "birds, castle" in completions(Settings(), "birds, Cast")
    assert "birds" in completions(Settings(), "")
