"""The phases of a mirror with opening hours: who is started anew when, and what goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from livedream.errors import SourceError, UsageError
from livedream.settings import Settings
from livedream.show import run
from livedream.show.options import MirrorOptions
from livedream.watch.beats import RENEW_EXIT_CODE, Beats


class Phases:
    """Doors that are closed, open, closed …, and shows that change a setting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, watched: bool, first_open: bool, phases: int) -> None:
        self.seen: list[str] = []
        self.left, self.open = phases, first_open
        self.stop = None
        monkeypatch.setattr(Beats, "watched", watched)
        monkeypatch.setattr(run, "Doors", self.doors)
        monkeypatch.setattr(run, "_show", self.show)
        monkeypatch.setattr("livedream.show.outputs.Outputs", lambda *_: self)

    def doors(self, _hours, stop):
        self.stop = stop
        return self

    def over(self) -> None:
        self.open, self.left = not self.open, self.left - 1
        if not self.left:
            self.stop()

    def show(self, options, state, scene, *_):
        self.options = options
        self.seen.append(f"open, {state.settings.layer}")
        self.over()
        return replace(state, settings=state.settings.replace(layer="textures")), scene

    def wait(self, *_, **__):
        self.seen.append("closed")
        self.over()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_a_mirror_that_nobody_watches_goes_through_the_days_itself(monkeypatch):
    phases = Phases(monkeypatch, watched=False, first_open=False, phases=4)
    run.run_mirror(MirrorOptions("clouds"), Settings(layer="edges"))
    assert phases.seen == ["closed", "open, edges", "closed", "open, textures"]


@pytest.mark.parametrize("first_open", [True, False])
def test_one_that_is_watched_ends_with_each_phase_to_be_started_anew(monkeypatch, first_open):
    phases = Phases(monkeypatch, watched=True, first_open=first_open, phases=4)
    with pytest.raises(SystemExit) as ended:
        run.run_mirror(MirrorOptions("clouds"), Settings(layer="edges"))
    assert ended.value.code == RENEW_EXIT_CODE
    assert len(phases.seen) == 1


def test_a_closed_mirror_leaves_what_is_kept_as_it_is(monkeypatch, tmp_path: Path):
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"scene": "", "settings": {"layer": "parts"}, "attempts": 2}))
    before = path.read_text()
    for _ in range(5):  # nights
        Phases(monkeypatch, watched=True, first_open=False, phases=2)
        with pytest.raises(SystemExit):
            run.run_mirror(MirrorOptions("clouds", resume=path), Settings(layer="edges"))
        assert path.read_text() == before
    phases = Phases(monkeypatch, watched=True, first_open=True, phases=1)
    run.run_mirror(MirrorOptions("clouds", resume=path), Settings(layer="edges"))
    assert phases.seen == ["open, parts"]
    assert not path.exists()  # it was quit


def test_a_film_that_is_missing_ends_the_start_but_not_the_show_after_a_power_cut(
    monkeypatch, tmp_path: Path
):
    path = tmp_path / "state.json"
    options = MirrorOptions(str(tmp_path / "film.mp4"), resume=path)
    with pytest.raises(SourceError, match="no such file"):
        run.run_mirror(options, Settings(layer="edges"))
    path.write_text(json.dumps({"scene": "", "settings": {"layer": "parts"}}))
    phases = Phases(monkeypatch, watched=True, first_open=True, phases=1)
    run.run_mirror(options, Settings(layer="edges"))
    assert phases.seen == ["open, parts"]
    assert phases.options.patient


def test_what_only_a_camera_has_is_refused_for_other_sources():
    for extra in ({"camera_lock_s": 5.0}, {"camera_set": (("gain", 1),)}):
        with pytest.raises(UsageError, match="are for a camera; found 'clouds' as the source"):
            run.run_mirror(MirrorOptions("clouds", **extra), Settings())
