"""What ``livedream doctor`` says of cameras: which there are, and what their controls may be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from livedream.cli.exhibit_service import Finding
from livedream.errors import UsageError, quoted
from livedream.sources.camera import probed_cameras
from livedream.sources.devices import Finder, is_camera, list_cameras, spec_of
from livedream.sources.locking import AUTOMATICS
from livedream.sources.v4l2 import Controls


def camera_report() -> Iterator[Finding]:
    """The cameras, each with what to give ``--source`` for it."""
    cameras = list_cameras() or probed_cameras()
    for camera in cameras:
        usb = f", USB {camera.usb}" if camera.usb else ""
        serial = f", serial number {camera.serial}" if camera.serial else ""
        source = spec_of(camera, cameras)
        yield "ok", "camera", f"{camera.name}, {camera.node}{usb}{serial}: --source {source}", ""
    if not cameras:
        found = "none; the mirror shows clouds until there is one"
        yield "--", "camera", found, "plug one in; the mirror picks it up by itself"
    refused = [
        str(path) for path in sorted(Path("/dev").glob("video*")) if not os.access(path, os.R_OK | os.W_OK)
    ]
    if refused:
        found = f"not allowed to open {', '.join(refused)}"
        yield "!!", "camera", found, "sudo usermod -aG video $USER, log in again"


def control_report(spec: str) -> Iterator[Finding]:
    """A camera, and its controls for ``--camera-set``. Raises ``SourceError``, ``UsageError``."""
    if not is_camera(spec):
        raise UsageError(f"{quoted(spec)} is no camera; possible: 0, /dev/video0, camera:NAME, usb:VVVV:PPPP")
    found = Finder(spec).find()
    yield "ok", "camera", f"{found.name}, {found.node}", ""
    with Controls(found.node) as controls:
        for control in controls.all.values():
            automatic = ", an automatic" * (control.name in AUTOMATICS)
            value = f"{control.name}={controls.get(control.name)}"
            range_ = f"{control.possible}, normally {control.default}{automatic}"
            yield "ok", "control", f"{value}: {range_}", ""
        if not controls.all:
            yield "--", "control", "none", "another camera: this one lets nobody set anything"
