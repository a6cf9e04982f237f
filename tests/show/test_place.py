"""What is set for the place is there again at the next start, whatever happened to the file."""

from __future__ import annotations

import threading
import tomllib

import pytest

from livedream.cli.main import main
from livedream.controls.actions import MovePoint, Set
from livedream.controls.port import Change
from livedream.errors import OutputError
from livedream.settings import Settings
from livedream.show import place as module
from livedream.show.options import MirrorOptions
from livedream.show.place import Place, read_place, usual_place
from tests.show.rig import Rig

PINNED = "2,0 98,3.5 100,100 0,100"


def changed(**settings):
    return Change("hand", tuple(settings), Settings(**settings))


def test_what_a_control_sets_is_read_at_the_next_start(tmp_path):
    path = tmp_path / "new folder" / "place.toml"
    place = Place(path, print)
    place.announce(changed(corners=PINNED, rotate=90, mirror=False, blend_left=12.5))
    place.announce(changed(display='EPSON "PJ"'))
    place.poll()
    place.close()
    values, problems = read_place(path)
    assert values == {
        "corners": PINNED,
        "rotate": 90,
        "mirror": False,
        "blend_left": 12.5,
        "display": 'EPSON "PJ"',
    }
    assert problems == ()
    again = Place(path, print)
    again.announce(changed(rotate=0))  # back at its default
    again.close()
    assert read_place(path)[0] == {n: v for n, v in values.items() if n != "rotate"}


def test_what_belongs_to_a_scene_or_a_person_is_not_kept(tmp_path):
    path = tmp_path / "place.toml"
    place = Place(path, print)
    place.announce(changed(strength=2.0, blackout=True, test_pattern="grid"))
    place.close()
    assert not path.exists()


def test_the_show_never_waits_for_the_disk_and_the_newest_is_written(tmp_path, monkeypatch):
    slow, written = threading.Event(), []

    def write(path, content):
        assert slow.wait(20)
        written.append(tomllib.loads(content.decode()))

    monkeypatch.setattr(module, "replace_file", write)
    place = Place(tmp_path / "place.toml", print)
    for n in range(100):
        place.announce(changed(blend_top=n / 10))
        place.poll()
    assert written == []
    slow.set()
    place.close()
    assert len(written) <= 3
    assert written[-1] == {"blend_top": 9.9}


def test_a_full_disk_is_reported_once(tmp_path, monkeypatch):
    def full(path, content):
        raise OutputError("cannot write place.toml: No space left on device")

    monkeypatch.setattr(module, "replace_file", full)
    said = []
    place = Place(tmp_path / "place.toml", said.append)
    place.announce(changed(rotate=90))
    place.announce(changed(rotate=180))
    place.close()
    assert said == [
        "the settings of this place are not kept: cannot write place.toml: No space left on device"
    ]


def test_what_a_full_disk_refused_is_written_once_there_is_room(tmp_path, monkeypatch):
    def full(path, content):
        raise OutputError("cannot write place.toml: No space left on device")

    now = 100.0
    place = Place(tmp_path / "place.toml", print, clock=lambda: now)
    with monkeypatch.context() as context:
        context.setattr(module, "replace_file", full)
        place.announce(changed(rotate=90))
        for _ in range(3):
            place.poll()
            assert place._writing.exception(20) is None
    now += 10.0
    place.poll()
    place.close()
    assert read_place(tmp_path / "place.toml")[0] == {"rotate": 90}


@pytest.mark.parametrize(
    "content", [b"rotate = ", b"\0\xff" * 50, b"x = 1\n" * 40000], ids=["toml", "bytes", "size"]
)
def test_a_damaged_file_is_moved_aside_and_said(tmp_path, content):
    path = tmp_path / "place.toml"
    path.write_bytes(content)
    values, (problem,) = read_place(path)
    assert values == {}
    assert f"place {path}: cannot be read" in problem
    (aside,) = tmp_path.iterdir()
    assert aside.name.startswith("place.toml.damaged-")
    assert str(aside) in problem


def test_one_mistake_costs_only_itself(tmp_path):
    path = tmp_path / "place.toml"
    path.write_text('rotate = 45\ncorners = "0,0 1,1"\nmirror = false\nstrength = 2.0\n')
    values, problems = read_place(path)
    assert values == {"mirror": False}
    assert len(problems) == 3
    assert "strength: unknown; possible: " in problems[0]
    assert "setting rotate: invalid value 45" in problems[1]
    assert "setting corners: invalid value" in problems[2]


def test_a_moved_corner_reaches_the_file(tmp_path):
    show = Rig(tmp_path, MirrorOptions())
    place = Place(tmp_path / "place.toml", print)
    show.mirror._controls.add(place)
    show.hand.actions = [Set("edit_point", 3), MovePoint((-4.0, -2.5)), Set("strength", 2.0)]
    show.run(0.2)
    place.close()
    assert read_place(tmp_path / "place.toml")[0] == {"corners": "0,0 100,0 96,97.5 0,100"}


def started(monkeypatch, *words):
    """The settings that a command begins with."""
    begun = []
    monkeypatch.setattr("livedream.show.run.run_mirror", lambda options, settings, _: begun.append(settings))
    assert main(["--source", "clouds", *words]) in (0, None)
    return begun[0]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    usual_place().parent.mkdir()
    return tmp_path


def test_flags_win_over_the_file_and_scenes_leave_it_alone(monkeypatch, home):
    usual_place().write_text(f'rotate = 90\ncorners = "{PINNED}"\nmirror = false\n')
    settings = started(monkeypatch, "--rotate", "180", "--scene", "eyes")
    assert (settings.rotate, settings.corners, settings.mirror) == (180, PINNED, False)


def test_another_place_has_another_file(monkeypatch, home):
    usual_place().write_text("rotate = 90\n")
    (home / "left.toml").write_text("blend_right = 20.0\n")
    settings = started(monkeypatch, "--place", str(home / "left.toml"))
    assert (settings.rotate, settings.blend_right) == (0, 20.0)
    assert main(["--source", "clouds", "--place", str(home / "nowhere" / "left.toml")]) == 1
