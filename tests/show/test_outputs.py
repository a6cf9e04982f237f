"""The outputs of a show: one that fails costs no other, and there is always somewhere to look."""

import json
import re
import shutil
import urllib.request
from concurrent.futures import Future
from dataclasses import replace

import av
import numpy as np
import pygame
import pytest

from livedream.errors import OutputError, UsageError
from livedream.frame import Turn
from livedream.settings import Settings
from livedream.show import outputs as module
from livedream.show.options import MirrorOptions
from livedream.show.outputs import Outputs
from livedream.show.snapshot import Measured, Snapshot, stats
from livedream.sinks.port import Stamp
from livedream.sinks.screens import DisplayInfo
from livedream.sinks.sending import Sender
from livedream.sinks.window import KeyPressed, Resized
from livedream.stage.scene import Scene, still

OPTIONS = MirrorOptions(source="clouds", size=(64, 36), port=0, full_screen=False)
PICTURE = np.full((36, 64, 3), 90, np.uint8)


class Desk:
    """The desk that fake windows stand on: which were opened, and whether it breaks them."""

    def __init__(self):
        self.windows = []
        self.broken = self.refuses = self.card_fails = False


@pytest.fixture
def desk(monkeypatch):
    """Opens fake windows instead of real ones."""
    desk = Desk()

    class FakeWindow:
        name = "window"
        has_vsync = True
        renderer = "cpu"
        picture_size = output_size = (128, 72)
        screen = DisplayInfo(0, (128, 72), "HDMI-1", 60)

        def __init__(self, **how):
            if desk.refuses:
                raise OutputError("no screen for a window")
            self.how, self.turn, self.pictures, self.closed = how, how["turn"], 0, False
            self.scenes = []
            desk.windows.append(self)

        def show(self, picture, overlay, stamp):
            if desk.broken:
                raise pygame.error("the renderer is lost")
            self.pictures += 1

        def paint(self, scene, overlay):
            self.scenes.append(scene)
            if desk.card_fails:
                self.renderer = "cpu"

        def notices(self):
            return ["the graphics card failed: too hot; drawing on the CPU"] if desk.card_fails else []

        def poll(self):
            if desk.broken:
                raise pygame.error("video system not initialized")
            return [KeyPressed("a")]

        def set_turn(self, turn):
            self.turn = turn

        def set_full_screen(self, full_screen):
            self.full_screen = full_screen

        def close(self):
            self.closed = True

    desk.window_class = FakeWindow
    monkeypatch.setattr(module, "Window", FakeWindow)
    monkeypatch.setattr(module, "screen_available", lambda: True)
    return desk


@pytest.fixture
def card(desk):
    """Fake windows that composite on a graphics card."""
    desk.window_class.renderer = "gl"
    return desk


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Recordings and snapshots go to a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Show:
    """Shows pictures at 10 Hz on a clock of its own."""

    def __init__(self, outputs, now=100.0):
        self.outputs, self.now, self.said, self.events = outputs, now, [], []

    def run(self, seconds):
        for _ in range(round(seconds * 10)):
            self.events += self.outputs.poll()
            self.outputs.show(still(PICTURE), None, Stamp(round(self.now * 10), self.now), self.now)
            self.said += self.outputs.faults()
            self.now += 0.1


def get(url, path):
    with urllib.request.urlopen(url + path, timeout=30) as answer:
        return answer.read()


def test_a_window_that_breaks_is_reported_and_opened_again(desk):
    with Outputs(OPTIONS, Settings()) as outputs:
        show = Show(outputs)
        show.run(1)
        desk.broken = True
        show.run(0.1)
        assert desk.windows[0].closed
        assert "window failed: video system not initialized; retrying in 2 s" in show.said
        desk.broken = False
        show.run(1.7)
        assert len(desk.windows) == 1
        show.run(0.5)
        assert len(desk.windows) == 2
        assert desk.windows[1].pictures > 0
        assert show.said[-1] == "window is back"
    assert desk.windows[1].closed


def test_windows_that_cannot_be_opened_are_tried_less_and_less_often(desk, monkeypatch):
    with Outputs(OPTIONS, Settings()) as outputs:
        show, attempts = Show(outputs, now=0.0), []
        opened = module.Window
        monkeypatch.setattr(module, "Window", lambda **how: attempts.append(round(show.now)) or opened(**how))
        desk.broken = desk.refuses = True
        show.run(33)
        assert attempts == [2, 6, 14, 30]
        assert len([text for text in show.said if "window" in text]) == 1


def test_without_its_window_the_show_is_on_the_preview_page(desk):
    with Outputs(OPTIONS, Settings()) as outputs:
        show = Show(outputs)
        show.run(0.5)
        assert outputs.preview_url is None
        desk.broken = True
        show.run(0.5)
        assert f"the picture is now shown at {outputs.preview_url}" in show.said
        assert get(outputs.preview_url, "snapshot.jpg").startswith(b"\xff\xd8")
        desk.broken = False
        show.run(2)
        assert desk.windows[1].pictures > 0
        assert outputs.preview_url is not None


def test_size_and_hud_follow_the_window_as_it_goes_and_returns(desk):
    with Outputs(OPTIONS, Settings()) as outputs:
        show = Show(outputs)
        show.run(0.1)
        assert (outputs.size, outputs.hud_size, outputs.has_vsync) == ((128, 72), (128, 72), True)
        assert show.events == [KeyPressed("a")]
        desk.broken = True
        show.run(0.2)
        assert (outputs.size, outputs.hud_size, outputs.has_vsync) == ((64, 36), None, False)
        assert show.events.count(Resized()) == 1
        desk.broken = False
        show.run(2.5)
        assert (outputs.size, outputs.hud_size, outputs.has_vsync) == ((128, 72), (128, 72), True)
        assert show.events.count(Resized()) == 2


def test_information_can_be_on_the_page_only(desk):
    with Outputs(replace(OPTIONS, hud_display="page"), Settings()) as outputs:
        Show(outputs).run(0.1)
        assert (outputs.size, outputs.hud_size) == ((128, 72), None)
        outputs.toggle_full_screen()


def test_there_is_no_full_screen_without_a_window(desk):
    headless = Outputs(replace(OPTIONS, headless=True), Settings())
    with headless as outputs, pytest.raises(UsageError, match="there is no window"):
        outputs.toggle_full_screen()


def test_a_window_that_returns_is_as_it_was_left(desk):
    with Outputs(OPTIONS, Settings()) as outputs:
        show = Show(outputs)
        show.run(0.1)
        outputs.follow(Settings(rotate=90))
        outputs.toggle_full_screen()
        assert (desk.windows[0].turn, desk.windows[0].full_screen) == (Turn(90), True)
        desk.broken = True
        show.run(0.1)
        outputs.follow(Settings(rotate=180))
        desk.broken = False
        show.run(2.5)
        assert (desk.windows[1].how["turn"], desk.windows[1].how["full_screen"]) == (Turn(180), True)


class Monitors:
    """Screens that the test changes."""

    def __init__(self):
        self.new = False

    def changed(self, now):
        new, self.new = self.new, False
        return new

    def close(self):
        pass


@pytest.fixture
def monitors(monkeypatch):
    made = Monitors()
    monkeypatch.setattr(module, "MonitorWatch", lambda: made)
    return made


@pytest.mark.parametrize(
    ("full_screen", "display", "moves"), [(True, "", True), (False, "epson", True), (False, "", False)]
)
def test_a_window_that_fills_its_screen_follows_the_screens(desk, monitors, full_screen, display, moves):
    options = replace(OPTIONS, full_screen=full_screen)
    with Outputs(options, Settings(display=display)) as outputs:
        Show(outputs).run(0.1)
        assert not outputs.tend(200.0)
        monitors.new = True
        assert outputs.tend(201.0) is moves
        assert desk.windows[0].closed is moves
        assert len(desk.windows) == 1 + moves
        if moves:
            assert desk.windows[1].how["display"] == display
            assert Resized() in outputs.poll()
            assert outputs.faults() == ["the picture is on screen 0 (HDMI-1, 128x72)"]
            assert not outputs.tend(202.0)
        else:
            outputs.toggle_full_screen()  # whose size may be another now
            assert outputs.tend(202.0)
            assert len(desk.windows) == 2


def test_what_concerns_the_screen_has_the_picture_shown_again_even_if_it_is_frozen(desk, monitors):
    with Outputs(OPTIONS, Settings()) as outputs:
        outputs.follow(Settings(strength=2.0))
        assert Resized() not in outputs.poll()
        for settings in (
            {"corners": "2,0 98,3 100,100 0,100"},
            {"flip": "horizontal"},
            {"test_pattern": "grid"},
        ):
            outputs.follow(Settings(**settings))
            assert Resized() in outputs.poll()
        outputs.follow(Settings(flip="both", rotate=90))
        assert desk.windows[0].turn == Turn(90, flip_x=True, flip_y=True)


def test_another_screen_is_chosen_while_the_show_runs(desk, monitors):
    with Outputs(OPTIONS, Settings()) as outputs:
        outputs.follow(Settings(display="1"))
        outputs.follow(Settings(display="1"))
        assert [window.how["display"] for window in desk.windows] == ["", "1"]
        assert desk.windows[0].closed


def test_the_information_goes_before_the_window_and_comes_after_it(desk, monitors, monkeypatch):
    happened = []

    class FakeHud:
        name, watched, size = "information window", False, (64, 36)

        def __init__(self, display, beside):
            happened.append(f"information beside {beside}")

        def tell(self, overlay):
            pass

        def close(self):
            happened.append("information closed")

    monkeypatch.setattr(module, "HudWindow", FakeHud)
    monkeypatch.setattr(desk.window_class, "close", lambda self: happened.append("window closed"))
    with Outputs(replace(OPTIONS, hud_display="0"), Settings()) as outputs:
        outputs.tend(100.0)
        happened.clear()
        outputs.follow(Settings(display="1"))
        assert happened == ["information closed", "window closed", "information beside 0"]


def test_a_screen_that_refuses_is_tried_again(desk, monitors):
    with Outputs(OPTIONS, Settings()) as outputs:
        show = Show(outputs)
        show.run(0.1)
        desk.refuses = True
        outputs.follow(Settings(display="1"))
        show.run(1.0)
        assert outputs.hud_size is None
        assert outputs.preview_url is not None
        desk.refuses = False
        monitors.new = True
        outputs.tend(show.now)  # at once, not after the delay
        assert outputs.hud_size == (128, 72)


def test_a_recording_outlives_the_window(desk, folder):
    with Outputs(OPTIONS, Settings()) as outputs:
        show = Show(outputs)
        assert outputs.toggle_recording().startswith("recording to recordings/")
        show.run(0.3)
        desk.broken = True
        show.run(0.3)  # few enough for the recorder's queue, however slow this machine is
        assert outputs.recording_s == pytest.approx(0.5)
        assert outputs.toggle_recording().startswith("recorded ")
        assert outputs.recording_s is None
    (path,) = folder.glob("recordings/*.mp4")
    with av.open(str(path)) as video:
        times = [float(frame.pts * frame.time_base) for frame in video.decode(video=0)]
    assert times == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], abs=0.002)


def test_a_recording_that_fails_is_reported_once_and_costs_the_window_nothing(desk, folder):
    (folder / "a.mp4").symlink_to("/dev/full")
    with Outputs(replace(OPTIONS, record=folder / "a.mp4"), Settings()) as outputs:
        show = Show(outputs)
        outputs.begin()
        while outputs.recording_s is not None:  # the test's own time limit ends this
            show.run(0.1)
        show.run(1)
        assert desk.windows[0].pictures > 10
        assert len(show.said) == 1
        assert "No space left" in show.said[0]
        with pytest.raises(OutputError, match="No space left"):
            outputs.finish()


def test_a_control_that_asks_for_hundreds_of_snapshots_gets_a_few(desk, folder, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "save_snapshot_later", lambda *_: asked.append(Future()) or asked[-1])
    with Outputs(OPTIONS, Settings()) as outputs:
        for _ in range(8):
            outputs.snapshot(PICTURE, Settings())
        with pytest.raises(OutputError, match="8 are still being written"):
            outputs.snapshot(PICTURE, Settings())
        asked[0].set_result(folder)  # the disk has caught up
        outputs.snapshot(PICTURE, Settings())
        for future in asked[1:]:
            future.set_result(folder)


def test_the_recording_of_the_options_starts_with_the_show(desk, folder):
    with Outputs(replace(OPTIONS, record=folder / "a.mp4"), Settings()) as outputs:
        show = Show(outputs)
        show.run(1)
        assert outputs.recording_s is None
        outputs.begin()
        show.run(0.5)
        assert outputs.recording_s == pytest.approx(0.4)
        outputs.finish()
    with av.open(str(folder / "a.mp4")) as video:
        assert len(list(video.decode(video=0))) == 5


def test_a_recordings_folder_that_takes_no_files_is_refused_at_once(desk, folder):
    (folder / "recordings").symlink_to("/sys/kernel")
    with Outputs(OPTIONS, Settings()) as outputs:
        with pytest.raises(OutputError, match="cannot write 'recordings/livedream"):
            outputs.toggle_recording()
        assert outputs.recording_s is None


def test_a_snapshot_that_cannot_be_saved_is_reported(desk, folder):
    (folder / "snapshots").symlink_to("/sys/kernel")
    with Outputs(OPTIONS, Settings()) as outputs:
        show = Show(outputs)
        outputs.snapshot(PICTURE, Settings())
        while not show.said:  # the test's own time limit ends this
            show.run(0.1)
    assert re.match(r"cannot write the snapshot snapshots/livedream.*\.png", show.said[0])


def test_a_snapshot_that_ends_just_while_it_is_asked_for_is_reported_next_time(desk):
    class Ending(Future):
        asked = 0

        def done(self):
            self.asked += 1
            return self.asked > 1

    snapshot = Ending()
    snapshot.set_exception(OutputError("no room"))
    with Outputs(OPTIONS, Settings()) as outputs:
        outputs._snapshots.append(snapshot)
        assert outputs.faults() + outputs.faults() == ["no room"]


def test_the_next_day_leaves_what_was_recorded_on_the_first(desk, folder):
    options = replace(OPTIONS, record=folder / "a.mp4")
    for today in (options, replace(options, patient=True)):  # as run_mirror has it after the first show
        with Outputs(today, Settings()) as outputs:
            outputs.begin()
            Show(outputs).run(0.3)
    assert {path.name for path in folder.glob("*.mp4")} == {"a.mp4", "a-2.mp4"}


def test_a_show_that_goes_on_after_a_crash_leaves_what_was_recorded_before(desk, folder):
    (folder / "a.mp4").write_bytes(b"before")
    (folder / "a-2.mp4").write_bytes(b"before that")
    for resume, name in ((folder / "state.json", "a-3.mp4"), (None, "a.mp4")):
        with Outputs(replace(OPTIONS, record=folder / "a.mp4", resume=resume), Settings()) as outputs:
            outputs.begin()
            Show(outputs).run(0.5)
            outputs.finish()
        with av.open(str(folder / name)) as video:
            assert sum(1 for _ in video.decode(video=0)) > 3
        assert ((folder / "a.mp4").read_bytes() == b"before") is (resume is not None)


def test_on_a_full_disk_neither_snapshot_nor_recording_begins(desk, folder, monkeypatch):
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=10**8))
    with Outputs(OPTIONS, Settings()) as outputs:
        for ask in (lambda: outputs.snapshot(PICTURE, Settings()), outputs.toggle_recording):
            with pytest.raises(OutputError, match=r"0\.1 GB of the disk are free"):
                ask()
        assert outputs.recording_s is None
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_headless_there_is_only_the_preview_page_and_it_has_the_statistics(desk):
    with Outputs(replace(OPTIONS, headless=True), Settings()) as outputs:
        show = Show(outputs)
        show.run(0.1)
        assert not desk.windows
        assert (outputs.size, outputs.hud_size, outputs.has_vsync) == ((64, 36), None, False)
        now = Snapshot(Settings(), scene="clouds", messages=("hello",))
        outputs.tell(lambda: stats(now, Measured()))
        status = json.loads(get(outputs.preview_url, "status.json"))
        assert (status["scene"], status["message"]) == ("clouds", "hello")
        assert status["latency_ms"]["p50"] == 0.0


def test_a_machine_without_a_screen_is_headless_and_says_so(desk, monkeypatch, caplog):
    monkeypatch.setattr(module, "screen_available", lambda: False)
    with Outputs(OPTIONS, Settings()) as outputs:
        assert outputs.preview_url
        assert "no screen found" in caplog.text


def test_a_screen_that_answers_later_is_used_then(desk, monkeypatch):
    monkeypatch.setattr(module, "screen_available", lambda: False)
    monkeypatch.setattr(module, "screen_expected", lambda: True)
    desk.refuses = True
    with Outputs(OPTIONS, Settings()) as outputs:
        assert outputs.preview_url
        assert not outputs.tend(0.0)
        assert outputs.poll() == []
        desk.refuses = False
        assert outputs.tend(100.0)
        assert Resized() in outputs.poll()
        assert outputs.size == (128, 72)


def test_a_window_that_cannot_be_opened_at_the_start_is_an_error(desk, folder):
    desk.refuses = True
    with pytest.raises(OutputError, match="no screen for a window"):
        Outputs(replace(OPTIONS, record=folder / "a.mp4"), Settings())
    assert not list(folder.iterdir())


def test_it_closes_twice(desk):
    outputs = Outputs(OPTIONS, Settings())
    outputs.close()
    outputs.close()
    assert desk.windows[0].closed


def painted(pictures):
    """A scene that counts how often it is painted on the processor."""
    return Scene(PICTURE, (64, 36), paint=lambda scene: pictures.append(scene) or scene.image)


def test_a_graphics_card_gets_scenes_and_nothing_is_painted_for_nobody(card):
    pictures = []
    with Outputs(OPTIONS, Settings()) as outputs:
        assert outputs.renderer == "gl"
        for _ in range(3):
            outputs.show(painted(pictures), None, Stamp(1, 1.0), 1.0)
        assert len(card.windows[0].scenes) == 3
        assert card.windows[0].pictures == 0
        assert pictures == []


def test_a_recording_gets_the_processors_picture_beside_a_graphics_card(card, folder):
    pictures = []
    with Outputs(OPTIONS, Settings()) as outputs:
        outputs.toggle_recording()
        for n in range(3):
            outputs.show(painted(pictures), None, Stamp(n, 1.0 + n), 1.0 + n)
        outputs.toggle_recording()
    assert len(pictures) == 3
    assert card.windows[0].pictures == 0
    (path,) = (folder / "recordings").glob("*.mp4")
    with av.open(str(path)) as file:
        assert next(file.decode(video=0)).to_ndarray(format="rgb24").mean() == pytest.approx(90, abs=3)


def test_a_graphics_card_that_fails_costs_no_picture_and_is_said(card):
    with Outputs(OPTIONS, Settings()) as outputs:
        card.card_fails = True
        outputs.show(still(PICTURE), None, Stamp(1, 1.0), 1.0)
        assert card.windows[0].pictures == 1  # the same scene, drawn by the processor
        assert outputs.renderer == "cpu"
        assert outputs.faults() == ["the graphics card failed: too hot; drawing on the CPU"]


def test_what_had_failed_is_opened_again_though_no_picture_comes(desk):
    with Outputs(OPTIONS, Settings()) as outputs:
        show = Show(outputs)
        show.run(1)
        desk.broken = True
        show.run(0.1)
        desk.broken = False
        assert not outputs.tend(show.now)
        assert outputs.tend(show.now + 3)
        assert len(desk.windows) == 2


class Studio:
    """A program that gets the picture, once it is there."""

    detail = "studio, 64x36"

    def __init__(self, *size):
        self.pictures = []
        studios.append(self)

    def send(self, picture):
        self.pictures.append(picture.copy())

    def close(self):
        pass


studios: list[Studio] = []


def test_other_programs_get_the_picture_without_the_overlay_once_the_show_begins(desk, monkeypatch):
    studios.clear()
    monkeypatch.setattr(module, "open_senders", lambda options: [Sender("NDI", Studio)])
    with Outputs(OPTIONS, Settings()) as outputs:
        show = Show(outputs)
        show.run(0.3)
        assert [state.name for state in outputs.states] == ["window"]
        outputs.begin()
        while not (studios and studios[0].pictures):  # the test's own time limit ends this
            outputs.show(still(PICTURE), np.full((36, 64, 4), 255, np.uint8), Stamp(1, 1.0), 1.0)
        assert (studios[0].pictures[0] == PICTURE).all()
        assert [(state.name, state.state) for state in outputs.states] == [("window", "on"), ("NDI", "on")]
        assert outputs.failing == ()


def test_a_program_that_is_away_is_told_of_and_costs_the_window_nothing(desk, monkeypatch):
    def refuse(*size):
        raise OutputError("nobody is there")

    monkeypatch.setattr(module, "open_senders", lambda options: [Sender("NDI", refuse)])
    with Outputs(OPTIONS, Settings()) as outputs:
        show = Show(outputs)
        outputs.begin()
        while not show.said:  # the test's own time limit ends this
            show.run(0.1)
        assert show.said == ["nobody is there; retrying in 2 s"]
        assert outputs.failing == ("NDI",)
        state = outputs.states[1]
        assert (state.name, state.state, state.detail) == ("NDI", "failed", "nobody is there")
        before = desk.windows[0].pictures
        show.run(1)
        assert desk.windows[0].pictures > before
