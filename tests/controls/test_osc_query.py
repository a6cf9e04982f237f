"""OSCQuery: the tree of addresses, as other programs read it."""

from __future__ import annotations

import json

from livedream.controls.desk import SceneTitle, View
from livedream.controls.osc_addresses import addresses
from livedream.controls.osc_query import node, oscquery
from livedream.settings import Settings

VIEW = View(
    Settings(strength=1.5, blackout=True, layer="parts", steps=4),
    lists={"layer": ("edges", "textures", "patterns", "parts", "objects")},
    scenes=(SceneTitle("eyes", "Eyes"),),
    scene="eyes",
)
OSC = ("127.0.0.1", 9000)


def test_every_address_is_in_the_tree_with_its_path():
    for address in addresses(VIEW):
        found = node(VIEW, address.path)
        assert found is not None
        assert found["FULL_PATH"] == address.path
        assert found["TYPE"] == (address.types or "N")
    root = node(VIEW, "/")
    assert list(root["CONTENTS"]) == ["dream"]
    assert {"strength", "layer", "scene", "record"} <= {*root["CONTENTS"]["dream"]["CONTENTS"]}
    assert root["CONTENTS"]["dream"]["CONTENTS"]["strength"] == node(VIEW, "/dream/strength")
    json.dumps(root, allow_nan=False)


def test_a_number_has_its_range_and_value():
    strength = node(VIEW, "/dream/strength")
    assert strength["TYPE"] == "f"
    assert strength["RANGE"] == [{"MIN": 0.0, "MAX": 1.0}]
    assert strength["VALUE"] == [0.5]
    assert strength["ACCESS"] == 3
    assert "how much of the dream" in strength["DESCRIPTION"]
    value = strength["CONTENTS"]["value"]
    assert (value["RANGE"], value["VALUE"]) == ([{"MIN": 0.0, "MAX": 3.0}], [1.5])
    steps = node(VIEW, "/dream/steps/value")
    assert (steps["TYPE"], steps["VALUE"], steps["RANGE"]) == ("i", [4], [{"MIN": 0, "MAX": 20}])


def test_words_switches_scenes_and_commands():
    assert node(VIEW, "/dream/layer/value")["RANGE"] == [{"VALS": [*VIEW.lists["layer"]]}]
    assert node(VIEW, "/dream/layer/value")["VALUE"] == ["parts"]
    assert node(VIEW, "/dream/blackout")["VALUE"] == [True]
    assert node(VIEW, "/dream/scene")["VALUE"] == ["eyes"]
    assert node(VIEW, "/dream/scene/eyes")["ACCESS"] == 2
    record = node(VIEW, "/dream/record")
    assert (record["TYPE"], record["ACCESS"], "VALUE" in record) == ("N", 2, False)


def test_an_attribute_can_be_asked_for_by_itself():
    assert oscquery(VIEW, "/dream/strength", "VALUE", OSC) == (200, {"VALUE": [0.5]})
    assert oscquery(VIEW, "/dream/record", "VALUE", OSC) == (204, None)
    assert oscquery(VIEW, "/dream/strength", "COLOUR", OSC) == (400, None)
    assert oscquery(VIEW, "/dream/nothing", "", OSC) == (404, None)
    assert oscquery(VIEW, "/dream/stren", "", OSC) == (404, None)


def test_the_host_says_where_osc_is_heard():
    status, info = oscquery(VIEW, "/", "HOST_INFO", OSC)
    assert status == 200
    assert (info["OSC_IP"], info["OSC_PORT"], info["OSC_TRANSPORT"]) == ("127.0.0.1", 9000, "UDP")
    assert info["EXTENSIONS"]["RANGE"] is True
    assert "OSC_IP" not in oscquery(VIEW, "/", "HOST_INFO", ("", 9000))[1]
