"""Words: what a user may write, what a table answers, and what it cannot."""

from __future__ import annotations

import json

import numpy as np
import pytest

from livedream.errors import NetworkError, UsageError
from livedream.files import file_hash
from livedream.networks import words as words_module
from livedream.networks.catalogue import network_info
from livedream.networks.words import WordTable, parse_words, vocabulary, word_table

NETWORKS = ("dreamnet", "bvlc_googlenet")
LAYERS = {"dreamnet": ("patterns", "parts", "objects"), "bvlc_googlenet": ("4a", "4c", "4e")}


@pytest.fixture(params=NETWORKS)
def table(request):
    return word_table(request.param)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("  ", ()),
        ("castle", (("castle", 1.0),)),
        ("Golden  Retriever, daisy:0.5", (("golden retriever", 1.0), ("daisy", 0.5))),
        ("birds: 2 , birds", (("birds", 3.0),)),
    ],
)
def test_words_are_separated_by_commas_and_may_have_weights(text, expected):
    assert parse_words(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (",", "one of them is empty"),
        ("castle,,daisy", "one of them is empty"),
        (":2", "one of them is empty"),
        ("castle:", "'' is not a weight"),
        ("castle:much", "'much' is not a weight"),
        ("castle:-1", "'-1' is not a weight"),
        ("castle:nan", "'nan' is not a weight"),
        ("castle:1e99", "'1e99' is not a weight"),
        (", ".join(f"word{n}" for n in range(13)), "13 words; possible: at most 12"),
        ("x" * 401, "401 characters; possible: at most 400"),
    ],
)
def test_absurd_lists_are_refused_in_one_line(text, why):
    with pytest.raises(UsageError) as caught:
        parse_words(text)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_there_are_a_thousand_words_and_no_two_names_are_alike():
    found = vocabulary()
    assert len(found.words) == 1000
    everything = [name.casefold() for name in (*found.words, *found.families)]
    assert len(set(everything)) == len(everything)
    assert len(found.families) >= 20
    assert all(0 <= n < 1000 for classes in found.families.values() for n in classes)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("castle", "castle"),
        ("CASTLE", "castle"),
        ("castles", "castle"),
        ("bird", "birds"),
        ("Birds", "birds"),
        ("butterfly", "butterflies"),
        ("cock", "rooster"),
        ("mobile  phone", "mobile phone"),
        ("crane", "crane"),
    ],
)
def test_a_word_is_found_by_any_of_its_names(table, word, expected):
    assert table.resolve(word) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("casle", "'castle'"),
        ("pecock", "'peacock'"),
        ("brids", "'birds'"),
        ("golden retreiver", "'golden ret"),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest(table, word, expected):
    with pytest.raises(UsageError, match="did you mean .*" + expected):
        table.resolve(word)


def test_a_word_that_is_like_none_is_answered_with_where_they_are_listed(table):
    with pytest.raises(UsageError, match=r"unknown word 'qqqqq'; possible: birds, dogs.*models words"):
        table.resolve("qqqqq")


def test_what_is_typed_is_completed(table):
    expected = ["goldfish", "goldfinch", "golden retriever", "golf ball", "golfcart"]
    assert table.complete("gol")[:5] == expected
    assert table.complete("retriev")[0] == "flat-coated retriever"
    assert set(table.complete("")) == {*table.words, *table.families}


def test_emphasis_weighs_the_channels_of_every_layer_that_has_a_table(table):
    for layer in LAYERS[table.network]:
        channels = network_info(table.network).layer(layer).channels
        seen = {word: table.emphasis(layer, ((word, 1.0),)) for word in ("castle", "daisy", "birds", "faces")}
        for found in seen.values():
            assert found.shape == (channels,)
            assert found.dtype == np.float32
            assert np.abs(found).mean() == pytest.approx(1, rel=1e-4)
            assert found.max() > 0
        mixed = table.emphasis(layer, (("castle", 3.0), ("daisy", 1.0)))
        expected = 0.75 * seen["castle"] + 0.25 * seen["daisy"]
        np.testing.assert_allclose(mixed, expected / np.abs(expected).mean(), rtol=1e-3, atol=1e-3)


def test_a_layer_without_words_is_refused_with_those_that_have_them(table):
    with pytest.raises(UsageError, match=r"layer 'textures' of .* has no words; possible: .*(4c|parts)"):
        table.emphasis("textures", (("castle", 1.0),))
    with pytest.raises(UsageError, match="no words for"):
        table.emphasis("parts", ())


def test_a_network_without_a_table_says_how_to_make_one():
    with pytest.raises(UsageError, match="'vgg19' has no words; run: livedream models words vgg19 --pict"):
        word_table("vgg19")


@pytest.mark.parametrize("damage", ["cut off", "another file", "missing"])
def test_a_damaged_table_is_named(tmp_path, damage):
    path = tmp_path / "dreamnet.npz"
    whole = (words_module.SHIPPED_TABLES / "dreamnet.npz").read_bytes()
    if damage != "missing":
        path.write_bytes(whole[: len(whole) // 2] if damage == "cut off" else b"no table at all")
    with pytest.raises(NetworkError, match=r"dreamnet.npz.*livedream models words dreamnet"):
        WordTable("dreamnet", path)


def test_the_tables_are_small():
    sizes = [path.stat().st_size for path in words_module.SHIPPED_TABLES.glob("*.npz")]
    assert len(sizes) == 2
    assert sum(sizes) < 3e6


def test_each_table_has_a_sidecar_with_its_hash():
    for path in words_module.SHIPPED_TABLES.glob("*.npz"):
        facts = json.loads(path.with_suffix(".json").read_text("utf-8"))
        assert (facts["file"], facts["network"]) == (path.name, path.stem)
        assert facts["sha256"] == file_hash(path)
        assert facts["licence"] == "MIT"
