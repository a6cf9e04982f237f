"""Controls by ioctl, and their lock, on a fake driver that answers with the kernel's own structures."""

import errno
import logging
from functools import partial
from types import SimpleNamespace

import pytest

from livedream.errors import SourceError
from livedream.sources import v4l2
from livedream.sources.locking import Lock
from livedream.sources.v4l2 import Controls, captures

INTEGER, BOOLEAN, MENU, BUTTON = 1, 2, 3, 4
#: name, type, minimum, maximum, step, default
CONTROLS = {
    0x980900: ("Brightness", INTEGER, -64, 64, 1, 0),
    0x98090C: ("White Balance, Automatic", BOOLEAN, 0, 1, 1, 1),
    0x980913: ("Gain", INTEGER, 0, 100, 1, 0),
    0x98091A: ("White Balance Temperature", INTEGER, 2800, 6500, 10, 4600),
    0x980920: ("Reset", BUTTON, 0, 0, 0, 0),
    0x9A0901: ("Auto Exposure", MENU, 0, 3, 1, 3),
    0x9A0902: ("Exposure Time, Absolute", INTEGER, 3, 2047, 1, 250),
    0x9A090C: ("Focus, Automatic Continuous", BOOLEAN, 0, 1, 1, 1),
    0x9A090A: ("Focus, Absolute", INTEGER, 0, 250, 5, 0),
}
MENU_TEXTS = {1: "Manual Mode", 3: "Aperture Priority Mode"}


class Driver:
    """A UVC camera: its automatics move what they move, and refuse to have it set."""

    def __init__(self, controls=CONTROLS):
        self.controls = controls
        self.values = {number: default for number, (*_, default) in controls.items()}
        self.sets = []
        self.gone = False

    def number(self, start):
        return next(n for n, (name, *_) in self.controls.items() if name.startswith(start))

    def named(self, start):
        return self.values[self.number(start)]

    def all(self, *starts):
        return [self.named(start) for start in starts]

    def room(self, exposure, temperature, focus):
        """What the automatics see."""
        for start, auto, value in (
            ("Exposure", "Auto Exposure", exposure),
            ("White Balance Temp", "White Balance, A", temperature),
            ("Focus, Abs", "Focus, Auto", focus),
        ):
            if self.named(auto) == (3 if auto == "Auto Exposure" else 1):
                self.values[self.number(start)] = value

    def __call__(self, fd, request, data):
        if self.gone:
            raise OSError(errno.ENODEV, "No such device")
        if request == v4l2.QUERYCTRL:
            return self.query(data)
        if request == v4l2.QUERYMENU:
            if data.index not in MENU_TEXTS:
                raise OSError(errno.EINVAL, "Invalid argument")
            data.name = MENU_TEXTS[data.index].encode()
        elif request == v4l2.G_CTRL:
            data.value = self.values[data.id]
        elif request == v4l2.S_CTRL:
            automatic = {0x9A0902: (0x9A0901, 3), 0x98091A: (0x98090C, 1), 0x9A090A: (0x9A090C, 1)}
            if data.id in automatic and self.values[automatic[data.id][0]] == automatic[data.id][1]:
                raise OSError(errno.EACCES, "Permission denied")
            self.values[data.id] = data.value
            self.sets.append((self.controls[data.id][0], data.value))
        return 0

    def query(self, data):
        after = [n for n in sorted(self.controls) if n > data.id & 0x7FFFFFFF]
        if not after:
            raise OSError(errno.EINVAL, "Invalid argument")
        name, kind, low, high, step, default = self.controls[after[0]]
        data.id, data.type, data.name = after[0], kind, name.encode()
        data.minimum, data.maximum, data.step, data.default_value = low, high, step, default
        return 0


@pytest.fixture
def node(tmp_path):
    path = tmp_path / "video0"
    path.touch()
    return str(path)


@pytest.fixture
def driver():
    return Driver()


@pytest.fixture
def locked(node, driver):
    """A lock of this driver, stepped through some seconds."""

    class Held:
        def __init__(self, lock_s=None, learnt=(), **values):
            open_ = partial(Controls, ioctl=driver)
            self.lock = Lock(lock_s, values, dict(learnt), "C920" if learnt else "", open_)
            self.now, self.opened = 100.0, None
            self.open()

        def open(self, name="C920"):
            self.opened = SimpleNamespace(name=name, node=node)

        def run(self, seconds):
            for _ in range(round(seconds * 2)):
                self.lock.step(self.now, self.opened)
                self.now += 0.5

    return Held


def test_controls_are_called_what_v4l2_ctl_calls_them(node, driver):
    with Controls(node, ioctl=driver) as controls:
        assert list(controls.all) == [
            "brightness",
            "white_balance_automatic",
            "gain",
            "white_balance_temperature",
            "auto_exposure",
            "exposure_time_absolute",
            "focus_absolute",
            "focus_automatic_continuous",
        ]
        assert controls.named("auto_exposure").menu == MENU_TEXTS
        controls.set("brightness", -12)
        assert controls.get("brightness") == driver.named("Brightness") == -12


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "exposur",
            5,
            "camera control 'exposur' is unknown; this camera has: brightness (-64–64), white_bal",
        ),
        ("brightness", 65, "camera control brightness=65: expected -64–64"),
        ("focus_absolute", 7, "camera control focus_absolute=7: expected 0–250 in steps of 5"),
        (
            "auto_exposure",
            2,
            "camera control auto_exposure=2: expected 1 (Manual Mode), 3 (Aperture Priority Mode)",
        ),
        (
            "exposure_time_absolute",
            9,
            "camera control exposure_time_absolute=9 is refused: Permission denied",
        ),
    ],
)
def test_what_a_control_cannot_be_is_one_line(node, driver, name, value, said):
    with Controls(node, ioctl=driver) as controls, pytest.raises(SourceError) as caught:
        controls.set(name, value)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_device_that_is_no_camera_has_no_controls(node):
    with Controls(node) as controls:  # the real ioctl, on a file
        assert controls.all == {}
    with pytest.raises(SourceError, match="cannot be opened: No such file"):
        Controls(node + "7")


@pytest.mark.parametrize(
    ("capabilities", "device", "found"),
    [
        (0x84200001, 0x04200001, True),
        (0x84A00001, 0x04A00000, False),  # a metadata node of the same camera
        (0x1, 0, True),
        (0x84204000, 0x04204000, False),  # a codec
        (0x84201000, 0x04201000, True),
    ],
)
def test_a_node_that_captures_is_told_from_those_that_do_not(node, capabilities, device, found):
    def ioctl(fd, request, data):
        assert request == v4l2.QUERYCAP
        data.capabilities, data.device_caps = capabilities, device
        return 0

    assert captures(node, ioctl) is found


def test_a_node_that_cannot_be_asked_may_be_anything(node):
    assert captures(node) is None
    assert captures(node + "7") is None


def test_values_are_set_when_the_camera_is_opened_automatics_first(locked, driver):
    held = locked(exposure_time_absolute=200, auto_exposure=1, brightness=10)
    held.run(1)
    assert driver.sets == [("Auto Exposure", 1), ("Exposure Time, Absolute", 200), ("Brightness", 10)]
    held.run(60)
    assert len(driver.sets) == 3  # what is as it should be is left alone
    assert held.lock.trouble == ""


def test_the_automatics_run_at_first_and_what_they_found_is_kept(locked, driver):
    for start in ("Auto Exposure", "White Balance, A", "Focus, Auto"):
        driver.values[driver.number(start)] = 1 if start == "Auto Exposure" else 0  # as the last show left it
    held = locked(lock_s=8.0)
    held.run(5)
    assert driver.all("Auto Exposure", "White Balance, A") == [3, 1]
    driver.room(exposure=333, temperature=5100, focus=35)
    held.run(4)
    assert (driver.named("Auto Exposure"), driver.named("White Balance, A"), driver.named("Focus, Auto")) == (
        1,
        0,
        0,
    )
    driver.room(exposure=999, temperature=2900, focus=200)  # the light changes: nobody follows
    held.run(30)
    assert (driver.named("Exposure"), driver.named("White Balance T"), driver.named("Focus, Abs")) == (
        333,
        5100,
        35,
    )
    assert held.lock.learnt["exposure_time_absolute"] == 333
    assert held.lock.trouble == ""


def test_what_is_learnt_is_all_there_at_once(node, driver):
    def spy(fd, request, data):  # where a driver hangs here, the process is killed; the next one goes on
        found.append(dict(lock.learnt))
        return driver(fd, request, data)

    found = []
    lock = Lock(1.0, {}, {}, open_=partial(Controls, ioctl=spy))
    opened = SimpleNamespace(name="C920", node=node)
    for n in range(6):
        lock.step(100.0 + n / 2, opened)
    assert len(lock.learnt) == 7
    assert [learnt for learnt in found if learnt not in ({}, lock.learnt)] == []


def test_what_is_set_by_hand_is_not_learnt(locked, driver):
    held = locked(lock_s=2.0, auto_exposure=1, exposure_time_absolute=150)
    held.run(1)
    assert driver.named("Exposure") == 150
    held.run(4)
    assert driver.all("Auto Exposure", "White Balance, A") == [1, 0]
    assert "exposure_time_absolute" not in held.lock.learnt


def test_with_every_automatic_set_by_hand_there_is_nothing_to_learn(locked, driver, caplog):
    autos = {"auto_exposure": 1, "white_balance_automatic": 0, "focus_automatic_continuous": 0}
    with caplog.at_level(logging.INFO):
        locked(lock_s=2.0, **autos).run(60)
    assert len(caplog.records) == 1


def test_what_somebody_else_changed_is_changed_back_and_said_a_few_times(locked, driver, caplog):
    held = locked(brightness=10)
    for n in range(12):
        held.run(11)
        assert driver.named("Brightness") == 10
        driver.values[driver.number("Brightness")] = n
    assert caplog.text.count("brightness was") == 2  # the first and the tenth time


def test_after_it_was_opened_again_and_in_a_new_process_it_is_as_before(locked, driver, caplog):
    held = locked(lock_s=1.0)
    driver.room(exposure=333, temperature=5100, focus=35)
    held.run(3)
    for later in (held, locked(lock_s=1.0, learnt=held.lock.learnt)):
        driver.values = dict(Driver().values)  # it was unplugged
        later.opened = None
        later.run(5)
        assert driver.named("Exposure") == 250
        later.open()
        later.run(0.5)
        assert driver.all("Auto Exposure", "Exposure") == [1, 333]
    assert "was" not in caplog.text


def test_another_camera_in_its_place_is_learnt_anew(locked, driver):
    held = locked(lock_s=1.0)
    driver.room(exposure=333, temperature=5100, focus=35)
    held.run(3)
    held.open("Other")
    held.run(0.5)
    assert driver.named("Auto Exposure") == 3
    driver.room(exposure=80, temperature=4000, focus=5)
    held.run(3)
    assert driver.all("Auto Exposure", "Exposure") == [1, 80]


def test_what_is_not_possible_is_said_once_and_the_rest_is_done(locked, driver, caplog):
    held = locked(brightness=99, gain=20, exposur=1)
    with caplog.at_level(logging.ERROR):
        held.run(60)
    assert driver.named("Gain") == 20
    assert "camera control brightness=99: expected -64–64" in held.lock.trouble
    assert "'exposur' is unknown" in held.lock.trouble
    assert len(caplog.records) == 1


def test_a_camera_without_automatics_cannot_be_locked(locked, driver):
    driver.controls = {0x980900: CONTROLS[0x980900]}
    held = locked(lock_s=1.0)
    held.run(5)
    assert held.lock.trouble == "this camera has no automatic that could be locked; its controls: brightness"


def test_a_camera_that_goes_away_meanwhile_is_locked_when_it_is_back(locked, driver):
    held = locked(lock_s=2.0)
    held.run(1)
    driver.gone = True
    held.run(20)
    assert held.lock.learnt == {}
    driver.gone = False
    driver.room(exposure=333, temperature=5100, focus=35)
    held.open()
    held.run(5)
    assert driver.named("Exposure") == 333
    assert held.lock.trouble == ""
