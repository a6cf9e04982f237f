"""``livedream cues check``."""

from __future__ import annotations

import pytest

from livedream.cli.cues import cues_command
from livedream.data import shipped
from livedream.errors import UsageError


def test_the_check_lists_the_cues_and_when_each_follows(capsys):
    cues_command(["check", str(shipped("cues") / "three-minutes.toml")])
    said = capsys.readouterr().out
    assert said.startswith(
        "Three minutes: 6 cues, round and round\n  1  Opening (patience), fade 1 s; next after 25 s"
    )
    assert said.endswith("plays by itself for 180 s\n")


def test_mistakes_are_listed_and_the_command_fails(tmp_path, capsys):
    path = tmp_path / "set.toml"
    path.write_text('[[cue]]\nscene = "nowhere"\nhold_s = 0\n[[cue]]\nscene = "ink"\n')
    with pytest.raises(UsageError, match="mistakes: 2"):
        cues_command(["check", str(path)])
    said = capsys.readouterr().out
    assert "cue 1: scene: unknown scene 'nowhere'; possible: attract, cathedral" in said
    assert "cue 1: hold_s: invalid value 0" in said
    assert "  2  ink; next never" in said
