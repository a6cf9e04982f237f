"""The keyboard: one table, from which the bindings, the help screen and the README's list of keys are made.

A key is named by the symbol on it (``a``, ``left``, ``escape``, ``f11``), never by its place, so the table
holds for QWERTY, QWERTZ and AZERTY alike; that is also why it has letters where others would take brackets
and commas. Digits and brackets are the exceptions: they go by their place (see ``sinks.window``), because an
AZERTY keyboard has digits on Shift, and many have brackets nowhere; D does the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from livedream.controls.actions import Action, Command, Cycle, Learn, Nudge, RecallKey, Set, Store, Toggle
from livedream.controls.corner_keys import corner_actions
from livedream.controls.port import Change, Inbox, Refusal
from livedream.timing import now_s

#: Esc is held for so long to lock or unlock the keys.
HOLD_S = 3.0


@dataclass(frozen=True)
class Key:
    """One row of the table.

    ``shown`` is what the help screen prints on the key caps, one cap for each word; ``bindings`` pairs key
    names, ``shift+`` before the name where Shift is held, with what they do.
    """

    shown: str
    help: str
    bindings: tuple[tuple[str, Action], ...]


def _both_ways(letter: str, name: str, help: str) -> Key:
    """A letter that moves a number one step up, and one step down with Shift."""
    bindings = ((letter, Nudge(name, 1)), (f"shift+{letter}", Nudge(name, -1)))
    return Key(letter.upper(), help, bindings)


_DIGITS = "123456789"

#: Every key there is, in the order of the help screen.
KEYS: tuple[Key, ...] = (
    Key("← →", "previous or next layer", (("left", Cycle("layer", -1)), ("right", Cycle("layer", 1)))),
    Key("↑ ↓", "strength of the dream", (("up", Nudge("strength", 1)), ("down", Nudge("strength", -1)))),
    _both_ways("a", "steps", "more dream steps per frame; Shift: fewer"),
    _both_ways("z", "step_size", "larger step size; Shift: smaller"),
    _both_ways("o", "octaves", "more octaves; Shift: fewer"),
    _both_ways("p", "persistence_s", "longer persistence; Shift: shorter"),
    _both_ways("w", "working_px", "larger working size; Shift: smaller"),
    Key(
        "C",
        "next channel, most active first; Shift: previous",
        (("c", Cycle("channels", 1)), ("shift+c", Cycle("channels", -1))),
    ),
    Key(
        "L",
        "the whole layer, no words; Shift: MIDI learn",
        (("l", Set("channels", "")), ("shift+l", Learn())),
    ),
    Key(
        "[ ] D",
        "previous or next word; D: next, Shift: previous",
        (
            ("[", Cycle("dream_of", -1)),
            ("]", Cycle("dream_of", 1)),
            ("d", Cycle("dream_of", 1)),
            ("shift+d", Cycle("dream_of", -1)),
        ),
    ),
    Key(
        "Q",
        "next word to blend to; Shift: previous",
        (("q", Cycle("dream_to", 1)), ("shift+q", Cycle("dream_to", -1))),
    ),
    _both_ways("e", "dream_blend", "blend further to that word; Shift: back"),
    Key("U", "surprise: dream what the camera shows", (("u", Toggle("surprise")),)),
    Key(
        "G", "next guide image; Shift: previous", (("g", Cycle("guide", 1)), ("shift+g", Cycle("guide", -1)))
    ),
    Key(
        "N", "next network; Shift: previous", (("n", Cycle("network", 1)), ("shift+n", Cycle("network", -1)))
    ),
    Key(
        "J",
        "journey through layers; Shift: through words",
        (("j", Toggle("journey")), ("shift+j", Toggle("word_walk"))),
    ),
    Key("1 – 9", "recall a scene", tuple((digit, RecallKey(int(digit))) for digit in _DIGITS)),
    Key(
        "Shift 1 – 9",
        "store a scene",
        tuple((f"shift+{digit}", Store(f"scene-{digit}", int(digit))) for digit in _DIGITS),
    ),
    Key(
        "Enter PageUp",
        "next cue of the list (PageDown, too); the one before",
        (
            ("return", Command.GO),
            ("enter", Command.GO),
            ("page down", Command.GO),
            ("page up", Command.CUE_BACK),
        ),
    ),
    Key(
        "0",
        "tap the tempo; Shift: this is the first beat",
        (("0", Command.TAP), ("shift+0", Command.RESYNC)),
    ),
    Key("X", "mix: over, dream, luminance, ink", (("x", Cycle("mix", 1)),)),
    Key("Y", "mask: everywhere, moving, visitor, background", (("y", Cycle("mask", 1)),)),
    _both_ways("k", "vignette", "dream in the centre; Shift: at the edges"),
    Key("Space", "freeze the picture", (("space", Toggle("freeze")),)),
    Key("B", "blackout", (("b", Toggle("blackout")),)),
    Key(
        "M",
        "mirror on/off; Shift: modulation on/off",
        (("m", Toggle("mirror")), ("shift+m", Toggle("modulation"))),
    ),
    Key("V", "fill the screen, or contain the whole image", (("v", Cycle("fit", 1)),)),
    Key(
        "T",
        "rotate the picture by 90°; Shift: move its corners",
        (("t", Cycle("rotate", 1)), ("shift+t", Set("edit_point", 1))),
    ),
    Key("S", "save a snapshot", (("s", Command.SNAPSHOT),)),
    Key("R", "start/stop recording", (("r", Command.RECORD),)),
    Key("F", "full screen on/off", (("f", Command.FULL_SCREEN), ("f11", Command.FULL_SCREEN))),
    Key(
        "I Tab",
        "information; Shift: captions for visitors",
        (
            ("i", Command.HUD),
            ("tab", Command.HUD),
            ("shift+i", Toggle("captions")),
        ),
    ),
    Key("H", "show/hide this help", (("h", Command.HELP), ("f1", Command.HELP))),
    Key("F2", "address of the control page, as a code to scan", (("f2", Command.ADDRESS),)),
    Key("Esc", "twice: quit; held for 3 s: lock the keys", (("escape", Command.QUIT),)),
)

_ACTIONS: dict[str, Action] = {name: action for key in KEYS for name, action in key.bindings}


def action_for(key: str, shift: bool = False, repeat: bool = False) -> Action | None:
    """What a key press asks for, or None for a key that has no function.

    ``key`` is a name as in :data:`KEYS`. Shift is ignored where it has no meaning of its own. ``repeat``
    says that the key is being held: numbers go on moving then, nothing else happens twice.
    """
    action = _ACTIONS.get(f"shift+{key}") if shift else None
    action = action or _ACTIONS.get(key)
    return None if repeat and not isinstance(action, Nudge) else action


def help_rows() -> tuple[tuple[str, str], ...]:
    """(what is on the key, what it does) for the help screen."""
    return tuple((key.shown, key.help) for key in KEYS)


def keys_table() -> str:
    """The README's Markdown table of keys."""
    rows = ["| key | what it does |", "| --- | --- |"]
    return "\n".join(rows + [f"| {shown} | {help} |" for shown, help in help_rows()])


class Keyboard:
    """The keyboard as a control: key presses in, actions out.

    While it is ``locked`` no key does anything; holding Esc locks and unlocks it.
    """

    name = "keyboard"

    def __init__(self, *, locked: bool = False, clock: Callable[[], float] = now_s) -> None:
        self.locked = locked
        self._clock = clock
        self._escape_s: float | None = None  # since when Esc has been held, until that was answered
        self._inbox = Inbox()
        self._point = 0  # the corner or point of the mesh that is being moved

    def press(self, key: str, shift: bool = False, repeat: bool = False) -> None:
        """A key went down, or is held; see :func:`action_for`."""
        if key != "escape":
            self._escape_s = None
        elif not repeat:
            self._escape_s = self._clock()
        elif self._escape_s is not None and self._clock() - self._escape_s >= HOLD_S:
            self._escape_s = None
            self._inbox.put(Command.LOCK_KEYS)
        if self.locked:
            return
        moves = corner_actions(self._point, key, shift, repeat) if self._point else None
        if moves is None:
            found = action_for(key, shift, repeat)
            moves = () if found is None else (found,)
        for action in moves:
            if isinstance(action, Set) and action.name == "edit_point":
                self._point = action.value  # the next key may be here before the change is told
            self._inbox.put(action)

    def poll(self) -> list[Action]:
        """See :class:`livedream.controls.port.Control`."""
        return self._inbox.take()

    def announce(self, news: Change | Refusal) -> None:
        """Keys have no lamps, but mean something else while a point is being moved."""
        if isinstance(news, Change):
            self._point = news.settings.edit_point

    def close(self) -> None:
        """There is nothing to give back."""
