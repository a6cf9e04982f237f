"""The modulation by OSC: changed, added, removed, and listed."""

from __future__ import annotations

import pytest

from livedream.controls.actions import RemoveModulation, SetLfo, SetModulation
from livedream.controls.desk import View
from livedream.controls.osc_addresses import addresses, understand
from livedream.controls.patch import Lfo, Modulation, Patch
from livedream.errors import UsageError

VIEW = View(patch=Patch((Modulation("lfo1", "zoom"),), {"lfo1": Lfo()}))


@pytest.mark.parametrize(
    ("address", "arguments", "action"),
    [
        ("/dream/mod/1/amount", (0.3,), SetModulation(1, {"amount": 0.3})),
        ("/dream/mod/1/source", ("bass",), SetModulation(1, {"source": "bass"})),
        (
            "/dream/mod/add",
            ("beat", "zoom", 0.4),
            SetModulation(2, {"source": "beat", "setting": "zoom", "amount": 0.4}),
        ),
        ("/dream/mod/add", ("beat", "zoom"), SetModulation(2, {"source": "beat", "setting": "zoom"})),
        ("/dream/mod/1/remove", (), RemoveModulation(1)),
        ("/dream/mod/1/remove", (1.0,), RemoveModulation(1)),
        ("/dream/mod/1/remove", (0.0,), None),
        ("/dream/lfo/1/beats", (4,), SetLfo("lfo1", {"beats": 4})),
    ],
)
def test_a_message_asks_for_its_action(address, arguments, action):
    assert understand(address, arguments, VIEW) == action


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        ("/dream/mod", ()),
        ("/dream/mod/1", (0.3,)),
        ("/dream/mod/one/amount", (0.3,)),
        ("/dream/mod/1/amount", ()),
        ("/dream/mod/1/depth", (0.3,)),
        ("/dream/mod/add", ("beat",)),
        ("/dream/lfo/9/beats", (4,)),
        ("/dream/lfo/1/beats/2", (4,)),
    ],
)
def test_what_is_no_message_of_the_modulation_is_refused_in_one_line(address, arguments):
    with pytest.raises(UsageError, match=r"expected /dream/mod/1/amount 0.3") as error:
        understand(address, arguments, VIEW)
    assert "\n" not in str(error.value)


def test_the_list_has_the_modulations_and_lfos_that_there_are():
    paths = [a.path for a in addresses(VIEW) if "/mod/" in a.path or "/lfo/" in a.path]
    assert paths[0] == "/dream/mod/add"
    assert "/dream/mod/1/amount" in paths
    assert "/dream/lfo/1/period_s" in paths
    assert not any("/mod/2" in path or "/lfo/2" in path for path in paths)
    (amount,) = [a for a in addresses(VIEW) if a.path == "/dream/mod/1/amount"]
    assert (amount.types, amount.low, amount.high) == ("f", -1.0, 1.0)
    assert amount.help == "amount of modulation 1: lfo1 moves zoom"
