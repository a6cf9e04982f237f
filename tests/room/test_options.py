"""How many replicas a room has, and on what."""

from __future__ import annotations

import pytest

from livedream.errors import OutputError, UsageError
from livedream.room.options import RoomOptions, plan

CORES = {"CPU": 4.0, "memory": 1e9}
CARDS = {"CPU": 16.0, "GPU": 2.0}


@pytest.fixture(autouse=True)
def _with_pytorch(monkeypatch):
    monkeypatch.setattr("livedream.room.options.installed", lambda package: True)


def numbers(found):
    return found.least, found.most, found.gpus, found.device


def test_one_for_each_core_and_no_more():
    assert numbers(plan(RoomOptions(), CORES)) == (4, 4, 0.0, "cpu")


def test_several_share_a_card_as_far_as_there_are_cores():
    assert numbers(plan(RoomOptions(), CARDS)) == (16, 16, 0.125, "cuda")
    assert numbers(plan(RoomOptions(gpus=2), CARDS)) == (16, 16, 0.125, "cuda")
    assert numbers(plan(RoomOptions(), {"CPU": 3.0, "GPU": 1.0})) == (3, 3, 1 / 3, "cuda")
    assert numbers(plan(RoomOptions(replicas=(2, 2)), CARDS)) == (2, 2, 1.0, "cuda")
    assert numbers(plan(RoomOptions(replicas=(None, 6)), CARDS)) == (1, 6, 1 / 3, "cuda")


def test_cards_can_be_left_alone():
    assert numbers(plan(RoomOptions(device="cpu"), CARDS)) == (16, 16, 0.0, "cpu")
    assert numbers(plan(RoomOptions(gpus=0), CARDS)) == (16, 16, 0.0, "cpu")


def test_without_pytorch_a_card_is_of_no_use(monkeypatch):
    monkeypatch.setattr("livedream.room.options.installed", lambda package: False)
    assert numbers(plan(RoomOptions(), CARDS)) == (16, 16, 0.0, "cpu")


@pytest.mark.parametrize("options", [RoomOptions(device="cuda"), RoomOptions(gpus=1)])
def test_a_card_that_is_asked_for_and_not_there(options):
    with pytest.raises(OutputError, match="no NVIDIA graphics card"):
        plan(options, CORES)


@pytest.mark.parametrize(
    ("asked", "found", "scales"),
    [
        ((None, 3), (1, 3), True),
        ((2, None), (2, 4), True),
        ((2, 2), (2, 2), False),
        ((None, 9), (1, 9), True),
        ((4, None), (4, 4), False),
    ],
)
def test_bounds(asked, found, scales):
    planned = plan(RoomOptions(replicas=asked), CORES)
    assert ((planned.least, planned.most), planned.scales) == (found, scales)


def test_bounds_that_cannot_be():
    with pytest.raises(UsageError, match=r"--min-replicas 3 is more than --max-replicas 2"):
        plan(RoomOptions(replicas=(3, 2)), CORES)
    with pytest.raises(UsageError, match=r"--min-replicas 5: Ray has 4 processor cores, .*possible: 1–4"):
        plan(RoomOptions(replicas=(5, None)), CORES)
    with pytest.raises(OutputError, match="no processor"):
        plan(RoomOptions(), {})


def test_its_address_as_mirrors_write_it(tmp_path):
    assert RoomOptions(host="::1", port=7).url == "ws://[::1]:7"
    assert RoomOptions(tls=(tmp_path, tmp_path)).url == "wss://127.0.0.1:8850"
