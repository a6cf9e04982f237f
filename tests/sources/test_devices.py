"""Cameras in a fake /sys and /dev: what they are called, and that one is found wherever it comes back."""

import shutil
import sys
from types import SimpleNamespace

import pytest

from livedream.sources.devices import CameraInfo, Finder, linux_cameras, spec_of
from livedream.sources.source import AbsentError


class Machine:
    """A fake ``/sys`` and ``/dev`` that cameras are plugged into, as Linux shows them."""

    def __init__(self, root):
        self.sysfs, self.dev, self.usb = root / "class" / "video4linux", root / "dev", root / "devices"
        self.silent = False  # nodes cannot be asked
        for folder in (self.sysfs, self.usb, self.dev / "v4l" / "by-id", self.dev / "v4l" / "by-path"):
            folder.mkdir(parents=True)

    def plug(self, port, name="HD Pro Webcam C920", usb="046d:082d", serial="", nodes=2, udev=True):
        """Plug a camera into a USB port; the node that captures."""
        device = self.usb / port
        interface = device / f"{port}:1.0"
        interface.mkdir(parents=True)
        for file, text in zip(("idVendor", "idProduct", "serial"), (*usb.split(":"), serial), strict=True):
            if text:
                (device / file).write_text(text + "\n")
        used = {path.name for path in self.dev.glob("video*")}
        free = [f"video{n}" for n in range(20) if f"video{n}" not in used][:nodes]
        for index, node in enumerate(free):
            entry = interface / "video4linux" / node
            entry.mkdir(parents=True)
            (entry / "name").write_text(f"{name}: {name}"[:31] + "\n")
            (entry / "index").write_text(f"{index}\n")
            (entry / "device").symlink_to(interface)
            (self.sysfs / node).symlink_to(entry)
            (self.dev / node).write_text("video" if index == 0 else "metadata")
            if udev:
                by_id = (
                    self.dev / "v4l" / "by-id" / f"usb-{name.replace(' ', '_')}_{serial}-video-index{index}"
                )
                by_id.unlink(missing_ok=True)  # of two alike, one gets the link
                by_id.symlink_to(self.dev / node)
                path = self.dev / "v4l" / "by-path" / f"pci-0000-usb-{port}-video-index{index}"
                path.symlink_to(self.dev / node)
        return str(self.dev / free[0])

    def unplug(self, port):
        for entry in list((self.usb / port).glob("*/video4linux/*")):
            (self.dev / entry.name).unlink()
            (self.sysfs / entry.name).unlink()
        for link in list((self.dev / "v4l").glob("*/*")):
            if not link.exists():
                link.unlink()
        shutil.rmtree(self.usb / port)

    def captures(self, node):
        with open(node) as file:
            return None if self.silent else file.read() == "video"

    def cameras(self):
        return linux_cameras(self.sysfs, self.dev, self.captures)

    def finder(self, spec, known=None, twins=()):
        return Finder(spec, known, twins, cameras=self.cameras)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    made = Machine(tmp_path)
    monkeypatch.setattr("livedream.sources.devices._DEV", made.dev)
    return made


@pytest.mark.parametrize("silent", [False, True])
def test_cameras_are_listed_with_everything_that_names_them_and_without_metadata_nodes(machine, silent):
    machine.silent = silent
    machine.plug("1-2", serial="8F2B")
    machine.plug("1-4", "Old Cam", "0c45:6366", udev=False)
    (machine.sysfs / "video17").mkdir()  # unplugged meanwhile: empty
    links = machine.dev / "v4l"
    assert machine.cameras() == [
        CameraInfo(
            str(machine.dev / "video0"),
            "HD Pro Webcam C920",
            "046d:082d",
            "8F2B",
            "1-2",
            str(links / "by-id" / "usb-HD_Pro_Webcam_C920_8F2B-video-index0"),
            str(links / "by-path" / "pci-0000-usb-1-2-video-index0"),
        ),
        CameraInfo(str(machine.dev / "video2"), "Old Cam", "0c45:6366", "", "1-4"),
    ]


def test_a_second_node_that_captures_is_a_camera_of_its_own_if_it_can_be_asked(machine):
    machine.plug("1-2")
    (machine.dev / "video1").write_text("video")  # an infrared camera, say
    assert [camera.node[-1] for camera in machine.cameras()] == ["0", "1"]
    machine.silent = True
    assert [camera.node[-1] for camera in machine.cameras()] == ["0"]


def test_a_machine_without_cameras_lists_none(tmp_path):
    assert linux_cameras(tmp_path / "none", tmp_path / "none") == []


def test_the_spec_that_is_offered_means_that_camera_and_no_other(machine):
    machine.plug("1-2")
    machine.plug("1-3")  # just the same
    machine.plug("1-4", "Old Cam", "0c45:6366", "X1")
    machine.plug("1-5", "Plain Cam", "0c45:1111", udev=False)
    machine.plug("1-6", "Other Cam", "0c45:2222", "A", udev=False)
    machine.plug("1-7", "Other Cam", "0c45:2222", "B", udev=False)
    cameras = machine.cameras()
    specs = [spec_of(camera, cameras) for camera in cameras]
    assert [spec.rpartition("/")[2] for spec in specs] == [
        "pci-0000-usb-1-2-video-index0",
        "pci-0000-usb-1-3-video-index0",
        "usb-Old_Cam_X1-video-index0",
        "usb:0c45:1111",
        "usb:0c45:2222:A",
        "usb:0c45:2222:B",
    ]
    for camera, spec in zip(cameras, specs, strict=True):
        assert machine.finder(spec).find().node == camera.node


@pytest.mark.parametrize(
    "spec",
    ["usb:0C45:6366", "usb:0c45:6366:X1", "camera:old cam", "camera: Old", "by-id", "by-path", "number"],
)
def test_a_camera_is_found_by_everything_that_names_it(machine, spec):
    machine.plug("1-2")
    node = machine.plug("1-4", "Old Cam", "0c45:6366", "X1")
    paths = {"by-id": "usb-Old_Cam_X1-video-index0", "by-path": "pci-0000-usb-1-4-video-index0"}
    if spec in paths:
        spec = str(machine.dev / "v4l" / spec / paths[spec])
    elif spec == "number":
        spec = "2"
    assert machine.finder(spec).find().node == node


@pytest.mark.parametrize("spec", ["0", "auto", "usb:046d:082d", "camera:c920", "path"])
def test_a_camera_that_comes_back_as_another_number_is_found_again(machine, spec):
    node = machine.plug("1-2", serial="8F2B")
    finder = machine.finder(node if spec == "path" else spec)
    assert finder.find().node == node
    machine.unplug("1-2")
    with pytest.raises(AbsentError, match=r"is not there; cameras found: none; possible: .*clouds"):
        finder.find()
    machine.plug("1-9", "Phone", "18d1:4ee1", nodes=3)  # takes its number
    machine.plug("1-5", serial="8F2B")
    assert finder.find().node == str(machine.dev / "video3")


def test_a_number_takes_what_has_it_when_the_camera_it_was_stays_away(machine):
    machine.plug("1-2", serial="8F2B")
    finder = machine.finder("0")
    finder.find()
    machine.unplug("1-2")
    machine.plug("1-9", "Phone", "18d1:4ee1")
    assert finder.find().name == "Phone"


@pytest.mark.parametrize("spec", ["0", "auto", "usb:046d:082d", "camera:C920"])
def test_of_two_alike_the_other_is_not_taken_for_the_one_that_was_unplugged(machine, spec):
    machine.plug("1-2")
    machine.plug("1-3")
    finder = machine.finder(spec)
    assert finder.find().port == "1-2"
    machine.unplug("1-2")
    next_process = machine.finder(spec, finder.known, finder.twins)
    for who in (finder, next_process):
        with pytest.raises(AbsentError):
            who.find()
    machine.plug("1-8")  # in another port
    for who in (finder, next_process):
        assert who.find().port == "1-8"


def test_by_path_means_a_port_and_by_id_whoever_has_the_name(machine):
    machine.plug("1-2")
    machine.plug("1-3")
    path = machine.dev / "v4l" / "by-path" / "pci-0000-usb-1-2-video-index0"
    finder = machine.finder(str(path))
    assert finder.find().port == "1-2"
    machine.unplug("1-2")
    with pytest.raises(AbsentError):
        finder.find()
    machine.plug("1-2")
    assert finder.find().port == "1-2"


def test_cameras_without_usb_are_what_their_number_says(machine):
    (machine.sysfs / "video0").mkdir()
    (machine.sysfs / "video0" / "name").write_text("unicam\n")
    (machine.sysfs / "video0" / "index").write_text("0\n")
    (machine.dev / "video0").write_text("video")
    (machine.dev / "video7").write_text("video")  # not listed
    finder = machine.finder("auto")
    assert (finder.find().name, finder.find().usb) == ("unicam", "")
    assert machine.finder("7").find().name == "camera 7"


def test_elsewhere_the_package_that_names_cameras_is_asked(monkeypatch):
    listed = [
        SimpleNamespace(index=1, name="C920", path="usb#7", vid=0x46D, pid=0x82D),
        SimpleNamespace(index=0, name="FaceTime", path=None, vid=None, pid=None),
    ]
    fake = SimpleNamespace(enumerate_cameras=lambda backend: listed)
    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", fake)
    monkeypatch.setattr(sys, "platform", "win32")
    assert Finder("camera:c920").find() == CameraInfo("1", "C920", "046d:082d", port="usb#7")
    assert Finder("0").find().name == "FaceTime"
    assert Finder("5").find().node == "5"  # not listed, and may be there
    with pytest.raises(AbsentError):
        Finder("camera:Phone").find()
    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", None)
    assert Finder("auto").find().node == "0"
