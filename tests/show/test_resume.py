"""What is shown survives a crash, and only a crash."""

from __future__ import annotations

import json
import signal

import pytest

from livedream.controls.actions import Recall, Set
from livedream.errors import NetworkError, OutputError, UsageError
from livedream.performance.attract import ATTRACT_SCENE
from livedream.settings import Settings
from livedream.show.options import MirrorOptions
from livedream.show.resume import Resume, Resumed, state_path
from livedream.show.run import _begin
from livedream.show.schedule import StopFlag
from tests.show.rig import Rig

GIVEN = Settings(layer="edges", rotate=180)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "mirror.json"


def show(path, now, settings, scene="", seconds=2.0):
    """A show that is killed after so many seconds; what it began with."""
    resume = Resume(path)
    begun = resume.begin(GIVEN, "")
    resume.trying()
    for n in range(round(seconds)):
        resume.keep(settings, scene, now + n)
    resume.close()
    return begun


def test_a_show_goes_on_with_what_the_killed_one_showed(path):
    assert show(path, 0.0, GIVEN.replace(layer="parts", blackout=True), "fog") == Resumed(GIVEN, "")
    begun = show(path, 100.0, GIVEN)
    assert begun == Resumed(GIVEN.replace(layer="parts"), "fog")  # and not black


def test_a_show_that_somebody_ended_leaves_nothing(path):
    show(path, 0.0, GIVEN.replace(layer="parts"))
    resume = Resume(path)
    resume.begin(GIVEN, "")
    resume.forget()
    assert Resume(path).begin(GIVEN, "fog") == Resumed(GIVEN, "fog")


@pytest.mark.parametrize(("number", "kept"), [(0, False), (signal.SIGINT, False), (signal.SIGTERM, True)])
def test_who_ends_the_show_decides_whether_it_is_to_go_on(number, kept):
    stop = StopFlag()
    stop(number)
    assert (stop.is_set, stop.interrupted) == (True, kept)


def test_a_state_that_three_shows_did_not_survive_is_set_aside(path, caplog):
    show(path, 0.0, GIVEN.replace(layer="parts"))
    began = [show(path, 0.0, GIVEN.replace(layer="parts")).settings.layer for _ in range(4)]
    assert began == ["parts", "parts", "parts", "edges"]
    assert "3 shows in a row were cut off soon" in caplog.text
    assert [*path.parent.glob("mirror.json.damaged-*")]


def test_a_state_that_has_proved_itself_is_used_for_ever(path):
    show(path, 0.0, GIVEN.replace(layer="parts"), seconds=40)
    for _ in range(5):
        assert show(path, 0.0, GIVEN.replace(layer="parts"), seconds=40).settings.layer == "parts"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b'{"scene": 3, "settings": {}}', b"[" * 5000, b" " * 70_000, b"\xff\xfe"],
    ids=["empty", "cut off", "a list", "wrong kind", "nested", "large", "no text"],
)
def test_a_damaged_file_is_moved_aside_and_said(content, path, caplog):
    path.parent.mkdir()
    path.write_bytes(content)
    assert Resume(path).begin(GIVEN, "fog") == Resumed(GIVEN, "fog")
    assert len(caplog.records) == 1
    assert not path.exists()


def test_what_another_version_knew_is_left_out(path, caplog):
    path.parent.mkdir()
    path.write_text(json.dumps({"scene": "", "settings": {"sparkle": 3, "steps": 999, "layer": "parts"}}))
    assert Resume(path).begin(GIVEN, "").settings == GIVEN.replace(layer="parts")
    assert "steps" in caplog.text


def test_a_disk_that_cannot_be_written_is_said_once(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    show(tmp_path / "file" / "mirror.json", 0.0, GIVEN)
    resume = Resume(tmp_path / "file" / "mirror.json")
    for n in range(20):
        resume.keep(GIVEN.replace(steps=n), "", 2.0 * n)
    resume.close()
    assert caplog.text.count("cannot be kept for a restart") == 2  # once a show


def test_what_a_full_disk_refused_is_kept_once_there_is_room(path, monkeypatch):
    def full(path, content):
        raise OutputError("cannot write: No space left on device")

    resume, now = Resume(path), 0.0
    with monkeypatch.context() as context:
        context.setattr("livedream.show.resume.replace_file", full)
        resume.keep(GIVEN.replace(steps=7), "", now)
        assert resume._writing.exception(20) is None
    for _ in range(2):
        now += 2.0
        resume.keep(GIVEN.replace(steps=7), "", now)  # nothing has changed
    resume.close()
    assert Resume(path).begin(GIVEN, "").settings.steps == 7


def test_the_mirror_keeps_a_change_and_not_the_attract_dream(tmp_path, path):
    resume = Resume(path)
    rig = Rig(tmp_path, MirrorOptions(), resume, layer="edges", attract_after_s=5.0)
    rig.run(1.0)
    rig.hand.actions.append(Set("layer", "textures"))
    rig.run(12.0)  # nobody comes
    while rig.performance.busy:
        rig.run(0.1)
    rig.run(2.0)
    assert rig.performance.attract.active
    resume.close()
    kept = json.loads(path.read_text())
    assert (kept["settings"]["layer"], kept["scene"]) == ("textures", "")
    assert ATTRACT_SCENE not in kept["scene"]
    assert rig.performance.settings != rig.performance.lasting


@pytest.mark.parametrize(("scene", "kept"), [("eyes", "eyes"), ("fog", "")])
def test_a_scene_that_was_removed_since_costs_only_its_name(scene, kept, path, caplog):
    path.parent.mkdir()
    path.write_text(json.dumps({"scene": scene, "settings": {"layer": "textures"}}))
    _, state, name = _begin(MirrorOptions(resume=path), GIVEN, Resume(path))
    assert (state.settings.layer, name) == ("textures", kept)
    assert ("unknown scene 'fog'" in caplog.text) == (scene == "fog")


def test_a_network_that_was_removed_since_begins_as_the_command_says(path, caplog):
    path.parent.mkdir()
    path.write_text(
        json.dumps({"scene": "eyes", "settings": {"network": "bvlc_googlenet", "layer": "conv2"}})
    )
    _, state, name = _begin(MirrorOptions(resume=path, scene="fur"), GIVEN, Resume(path))
    assert (state.settings, name) == (GIVEN, "fur")
    assert "cannot go on with what was shown before" in caplog.text


@pytest.mark.parametrize("unattended", [True, False])
def test_weights_that_are_gone_are_replaced_by_the_default_only_where_nobody_may_be_there(unattended, path):
    given = Settings(network="bvlc_googlenet", layer="4c", rotate=180)
    options = MirrorOptions(resume=path if unattended else None)
    resume = Resume(options.resume)
    if not unattended:
        with pytest.raises(NetworkError):
            _begin(options, given, resume)
        return
    options, state, _ = _begin(options, given, resume)
    assert (state.settings.network, state.settings.rotate) == ("dreamnet", 180)
    assert "cannot begin as the command says: bvlc_googlenet has no weights" in options.notices[0]


def test_a_channel_that_does_not_exist_is_a_mistake_of_the_command(path):
    given = Settings(network="bvlc_googlenet", layer="4c", channels="4000")
    with pytest.raises(UsageError, match="has no channel"):
        _begin(MirrorOptions(resume=path), given, Resume(path))


def test_each_command_has_its_own_file():
    left, right = (state_path(["--display", n]) for n in "01")
    assert left != right
    assert left == state_path(["--display", "0"])


def test_recalling_a_scene_is_kept(tmp_path, path):
    resume = Resume(path)
    rig = Rig(tmp_path, MirrorOptions(), resume)
    rig.run(1.0)
    rig.hand.actions.append(Recall("eyes"))
    while rig.performance.scene != "eyes":
        rig.run(0.1)
    rig.run(2.0)
    resume.close()
    assert json.loads(path.read_text())["scene"] == "eyes"


def test_a_cue_list_goes_on_where_it_was(path):
    resume = Resume(path)
    resume.keep(GIVEN, "fog", 0.0, 3)
    resume.close()
    resume = Resume(path)
    resume.begin(GIVEN, "")
    assert resume.cue == 3
