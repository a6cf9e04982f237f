"""Opens the controls that the options ask for."""

from __future__ import annotations

import logging
from functools import partial
from urllib.parse import urlsplit

from livedream.controls.desk import Desk
from livedream.controls.dmx_map import DmxMap
from livedream.controls.keyboard import Keyboard
from livedream.controls.midi_ports import midi_expected
from livedream.controls.port import Controls
from livedream.errors import LivedreamError, OutputError
from livedream.places import midi_dir, scenes_dir
from livedream.show.control_options import ControlOptions
from livedream.show.options import MirrorOptions
from livedream.show.place import Place
from livedream.sources.devices import list_cameras, spec_of
from livedream.web.access import is_loopback
from livedream.web.control import ControlPage
from livedream.web.osc_monitor import add_osc_monitor
from livedream.web.oscquery import add_oscquery
from livedream.web.site import Site

log = logging.getLogger(__name__)


def open_controls(options: MirrorOptions, desk: Desk, keyboard: Keyboard, site: Site) -> Controls:
    """The keyboard, and every control that the options ask for. Those that answer over HTTP add to ``site``.

    Raises ``UsageError`` or ``OutputError`` for one that cannot be opened.
    """
    page = ControlPage(site, desk, options.scenes or scenes_dir(), partial(source_choices, options.source))
    opened = Controls(keyboard, page)
    try:
        if options.place is not None:
            opened.add(Place(options.place, opened.report))
        _open_osc(options.controls, desk, opened, site)
        if options.controls.dmx is not None:
            _open_dmx(options.controls.dmx, opened)
        if options.controls.gamepad is not None:
            from livedream.controls.gamepad import Gamepads

            opened.add(Gamepads(desk, options.controls.gamepad))
        if options.controls.midi is not False:
            _open_midi(options.controls, desk, opened)
        if options.controls.link:
            from livedream.controls.link import Link

            opened.add(Link())
    except LivedreamError:
        opened.close()
        raise
    return opened


def _open_osc(options: ControlOptions, desk: Desk, controls: Controls, site: Site) -> None:
    """OSC, unless it is off, or its usual port is taken and nobody has asked for it."""
    if options.osc is None:
        return
    from livedream.controls.osc import Osc

    try:
        osc = Osc(desk, *options.osc, feedback=options.osc_feedback)
    except OutputError as error:
        if options.osc_required:
            raise
        log.warning("%s", error)
        controls.report(str(error))
        return
    controls.add(osc)
    add_oscquery(site, osc)
    add_osc_monitor(site, osc)
    host, port = osc.address
    log.info("OSC: listening on %s port %d; livedream osc lists the addresses", host, port)
    if options.mdns:
        osc.publish(_port_for_others(site.url))
    if not is_loopback(host):
        text = f"OSC has no password: whoever reaches {host} port {port} can change this mirror"
        log.warning("%s", text)
        controls.report(text)


def _port_for_others(url: str) -> int:
    """The port of a server that others in the network reach, 0 for one that is only for this machine."""
    found = urlsplit(url)
    return 0 if found.port is None or is_loopback(found.hostname or "") else found.port


def _open_midi(options: ControlOptions, desk: Desk, controls: Controls) -> None:
    """Every MIDI controller. Raises ``OutputError`` where there is no MIDI, and somebody has asked for it."""
    if options.midi is None and not midi_expected():
        return
    from livedream.controls.midi import Midi

    try:
        midi = Midi(desk, midi_dir())
    except OSError as error:
        if options.midi:
            raise OutputError(f"no MIDI: {error}") from error
        log.info("no MIDI: %s", error)
        return
    for problem in midi.problems:
        controls.report(problem)
    controls.add(midi)


def _open_dmx(map: DmxMap, controls: Controls) -> None:
    """What a lighting desk sends. Raises ``OutputError`` when it cannot be heard."""
    from livedream.controls.dmx import Dmx

    dmx = Dmx(map)
    controls.add(dmx)
    ports = " and ".join(str(port) for _, port in dmx.addresses)
    universes = ", ".join(str(number) for number in dmx.senders())
    log.info("DMX: listening on port %s for universe %s", ports, universes)
    if not map.listen.startswith("127."):
        log.warning("DMX has no password: whoever reaches port %s can change this mirror", ports)


def source_choices(started_with: str) -> dict[str, str]:
    """What the page offers as sources, each with a name: that of the start, the cameras, and clouds."""
    cameras = list_cameras()
    found = {spec_of(camera, cameras): camera.name for camera in cameras}
    return {started_with: "as at the start"} | found | {"clouds": "clouds, without a camera"}
