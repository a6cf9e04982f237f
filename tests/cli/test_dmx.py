"""``livedream dmx`` and the flags of OSC and DMX."""

from __future__ import annotations

import pytest

from livedream.cli.control_flags import control_options
from livedream.cli.dmx import dmx_command
from livedream.cli.mirror import mirror_parser
from livedream.cli.osc import osc_command
from livedream.errors import UsageError


def options(*words: str):
    return control_options(mirror_parser().parse_args(list(words)))


def test_the_map_that_is_printed_is_one_that_can_be_played(capsys, tmp_path):
    dmx_command(["--map"])
    path = tmp_path / "map.toml"
    path.write_text(capsys.readouterr().out)
    dmx_command([str(path)])
    listed = capsys.readouterr().out
    assert "    1       1  strength\n" in listed
    assert "eyes 120–129" in listed
    assert options("--dmx", str(path)).dmx.channels[0].setting == "strength"


@pytest.mark.parametrize("words", [[], ["--map", "map.toml"]])
def test_either_a_map_is_printed_or_one_is_read(words):
    with pytest.raises(UsageError, match=r"wants --map, or MAP\.toml"):
        dmx_command(words)


def test_a_scene_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "map.toml"
    path.write_text("[[channel]]\nchannel = 1\nscenes = { nobody = [1, 9] }\n")
    with pytest.raises(UsageError, match="unknown scenes nobody; possible: "):
        dmx_command([str(path)])


def test_a_map_with_a_mistake_is_one_line():
    with pytest.raises(UsageError, match=r"DMX map nowhere.toml: cannot be read: "):
        options("--dmx", "nowhere.toml")


def test_osc_is_on_for_this_machine_unless_told_otherwise():
    usual = options()
    assert (usual.osc, usual.osc_required, usual.osc_feedback) == (("127.0.0.1", 9000), False, ())
    assert usual.dmx is None
    assert options("--no-osc").osc is None
    asked = options(
        "--osc", "0.0.0.0:7000", "--osc-feedback", "127.0.0.1:9002", "--osc-feedback", "localhost:9003"
    )
    assert (asked.osc, asked.osc_required) == (("0.0.0.0", 7000), True)
    assert asked.osc_feedback == (("127.0.0.1", 9002), ("127.0.0.1", 9003))
    assert options("--osc", "7000").osc == ("127.0.0.1", 7000)


@pytest.mark.parametrize(
    "words",
    [
        ["--osc", "loud"],
        ["--osc", "0"],
        ["--osc", "70000"],
        ["--osc", "0.0.0.0"],
        ["--osc-feedback", "9002x"],
    ],
)
def test_an_impossible_address_is_refused(words):
    with pytest.raises(UsageError, match="argument --osc"):
        options(*words)


def test_no_osc_with_osc_is_refused():
    with pytest.raises(UsageError, match="--no-osc with --osc"):
        options("--no-osc", "--osc", "7000")


def test_every_address_is_a_line(capsys):
    osc_command([])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("/dream/strength/value ") and "0–3 ×" in line for line in lines)
    assert any(line.startswith("/dream/scene/eyes ") for line in lines)
    with pytest.raises(UsageError, match="unknown network"):
        osc_command(["--network", "nothing"])
