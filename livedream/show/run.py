"""Puts the mirror together and runs it."""

from __future__ import annotations

import gc
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import cv2

from livedream.errors import LivedreamError, UsageError, quoted
from livedream.health.attendant import Attendant
from livedream.health.vitals import Vitals
from livedream.ipc.child import GROUP_SIGNALS
from livedream.performance.state import PlayState, consistent
from livedream.settings import SPECS, Settings
from livedream.show.doors import Doors
from livedream.show.options import MirrorOptions
from livedream.show.orders import Orders
from livedream.show.processes import Processes
from livedream.show.pulse import Pulse
from livedream.show.resume import Resume, day_path
from livedream.show.schedule import StopFlag
from livedream.sources.spec import parse_spec
from livedream.timing import now_s
from livedream.watch.beats import RENEW_EXIT_CODE, Beats
from livedream.web.metrics import Metrics
from livedream.web.site import Site

if TYPE_CHECKING:
    from livedream.performance.store import Performance

log = logging.getLogger(__name__)

#: How long the loop may wait for another thread of this process to let go of the interpreter: the preview and
#: the recorder have threads, and the usual 5 ms are a third of a refresh.
_SWITCH_S = 0.001


def run_mirror(options: MirrorOptions, settings: Settings, started_s: float | None = None) -> None:
    """Run the mirror until it is told to end.

    ``started_s`` is when the command was given, on the monotonic clock. Raises ``UsageError``,
    ``NetworkError``, ``SourceError`` or ``OutputError`` when the show cannot start; once it runs, faults are
    shown and logged, and the show goes on.
    """
    cv2.setNumThreads(1)
    sys.setswitchinterval(_SWITCH_S)
    with ExitStack() as stack:
        stop = StopFlag()
        attendant = stack.enter_context(Attendant(options.alerts, day_path(options.resume), options.hours))
        vitals, site = attendant.vitals, Site()
        Metrics(attendant).add_to(site)
        beats = stack.enter_context(Beats(stop.interrupt, vitals.heard))
        stack.push(partial(_explain, beats))
        options = replace(options, patient=options.resume is not None and options.resume.exists())
        if not options.patient:  # a disk may come after a power cut, but a mistake is reported here
            _check_source(options)
        if options.controls.cues is not None:
            from livedream.performance.cue_player import open_cues
            from livedream.performance.scenes import Scenes

            open_cues(options.controls.cues, Scenes(options.scenes))  # so is a mistake in a cue list
        resume = stack.enter_context(Resume(options.resume))
        options, state, scene = _begin(options, settings, resume)
        cue = resume.cue
        for number in (*GROUP_SIGNALS, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, stop))  # stays until all is closed
        attendant.start()
        doors = Doors(options.hours, stop)
        while not stop.is_set:
            if doors.open:
                resume.trying()
                state, scene = _show(
                    options,
                    state,
                    scene,
                    cue,
                    doors,
                    vitals,
                    site,
                    partial(Pulse, beats, resume, vitals),
                    started_s,
                )
            else:
                from livedream.show.outputs import Outputs

                with Outputs(options, state.settings, vitals, site) as outputs:
                    doors.wait(outputs, beats, locked=options.lock_keys)
            if beats.watched and not stop.is_set:
                raise SystemExit(RENEW_EXIT_CODE)  # each day begins with a new process
            options, started_s, cue = replace(options, notices=(), patient=True), None, 0
        if not stop.interrupted:
            resume.forget()
            if options.frames is None and options.duration_s is None:
                attendant.quit()


def _check_source(options: MirrorOptions) -> None:
    """Raises ``SourceError`` for a file that is missing, ``UsageError`` for what only a camera has."""
    is_camera = parse_spec(options.source).kind == "camera"
    if not is_camera and (options.camera_lock_s is not None or options.camera_set):
        raise UsageError(
            f"--camera-lock and --camera-set are for a camera; found {quoted(options.source)} as the source"
        )


def _show(
    options: MirrorOptions,
    state: PlayState,
    scene: str,
    cue: int,
    doors: Doors,
    vitals: Vitals,
    site: Site,
    pulse: Callable[[Performance], Pulse],
    started_s: float | None,
) -> tuple[PlayState, str]:
    """Run the mirror until ``doors`` say that it ends; the state and the scene that it ended with."""
    with ExitStack() as stack:
        orders = Orders()
        processes = stack.enter_context(Processes(options, state.settings, orders.died))
        # Loaded while the camera starts, too: that takes as long.
        from livedream.controls.desk import Desk
        from livedream.controls.keyboard import Keyboard
        from livedream.performance.cue_player import open_cues
        from livedream.performance.scenes import Scenes
        from livedream.performance.store import Performance
        from livedream.show.mirror import Mirror
        from livedream.show.opening import open_controls
        from livedream.show.outputs import Outputs

        # It opens while the camera starts.
        outputs = stack.enter_context(Outputs(options, state.settings, vitals, site))
        scenes = Scenes(options.scenes)
        cues = open_cues(options.controls.cues, scenes, cue)
        performance = Performance(state, scenes, now_s(), scene, cues)
        stack.callback(performance.close)
        keyboard = Keyboard(locked=options.lock_keys)
        desk = Desk(performance.settings)
        controls = open_controls(options, desk, keyboard, site)
        stack.callback(controls.close)
        mirror = Mirror(
            options,
            performance,
            processes,
            outputs,
            controls,
            keyboard=keyboard,
            desk=desk,
            orders=orders,
            stop=doors,
            pulse=pulse(performance),
            started_s=now_s() if started_s is None else started_s,
        )
        gc.freeze()  # what was loaded stays: to go through it each time would cost pictures
        mirror.run()
        return replace(state, settings=performance.lasting), performance.scene


def _explain(beats: Beats, _kind: object, error: BaseException | None, _trace: object) -> None:
    """Tell the watcher why the show ends, if it is because of an error."""
    if isinstance(error, Exception):
        beats.explain(str(error) or type(error).__name__)


def _begin(
    options: MirrorOptions, settings: Settings, resume: Resume
) -> tuple[MirrorOptions, PlayState, str]:
    """The options, the state and the scene to begin with: as before a crash, or as the command says.

    With ``--resume`` nobody may be there to mend it: without its network's weights, the show begins with the
    default network.
    """
    resumed = resume.begin(settings, options.scene)
    notices = [*options.notices, *filter(None, [resume.refused])]
    begins = [(resumed.settings, resumed.scene)]
    if resumed.settings != settings:
        begins.append((settings, options.scene))
    default = consistent(settings.replace(network=SPECS["network"].default), settings)
    if options.resume is not None and default != settings:
        begins.append((default, options.scene))
    for begun, scene in begins:
        # The command's weights are its network's.
        weights = options.weights if begun.network == settings.network else None
        try:
            state = PlayState.begin(begun, weights)
        except LivedreamError as error:  # a network that was there before the crash, say
            wrong_command = begun == settings and isinstance(error, UsageError)
            if begun == begins[-1][0] or wrong_command:
                raise
            what = "begin as the command says" if begun == settings else "go on with what was shown before"
            notices.append(f"cannot {what}: {error}")
            log.error("%s", notices[-1])
        else:
            scene = scene if _exists(scene, options) else ""
            return replace(options, weights=weights, notices=tuple(notices)), state, scene
    raise AssertionError("one of them has begun, or raised")


def _exists(scene: str, options: MirrorOptions) -> bool:
    """Whether a scene still exists. One that was kept may have been renamed since; its settings remain."""
    if scene in ("", options.scene):
        return True  # the command's own: a mistake in it ends the start, elsewhere
    from livedream.performance.scenes import Scenes

    try:
        Scenes(options.scenes).named(scene)
    except LivedreamError as error:
        log.error("going on without the scene's name: %s", error)
        return False
    return True
