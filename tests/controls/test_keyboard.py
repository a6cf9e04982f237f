"""The table of keys: what it must have, that it agrees with the settings, and what is made from it."""

import pytest

from livedream.channels import CHOICES
from livedream.controls.actions import Command, Cycle, Nudge, RecallKey, Set, Store, Toggle, apply
from livedream.controls.keyboard import KEYS, Keyboard, action_for, help_rows, keys_table
from livedream.settings import Settings


@pytest.mark.parametrize(
    ("key", "shift", "action"),
    [
        ("right", False, Cycle("layer", 1)),
        ("left", False, Cycle("layer", -1)),
        ("up", False, Nudge("strength", 1)),
        ("down", False, Nudge("strength", -1)),
        ("a", True, Nudge("steps", -1)),
        ("o", False, Nudge("octaves", 1)),
        ("p", True, Nudge("persistence_s", -1)),
        ("l", False, Set("channels", "")),
        ("space", False, Toggle("freeze")),
        ("b", False, Toggle("blackout")),
        ("m", False, Toggle("mirror")),
        ("tab", False, Command.HUD),
        ("escape", False, Command.QUIT),
        ("j", False, Toggle("journey")),
        ("j", True, Toggle("word_walk")),
        ("[", False, Cycle("dream_of", -1)),
        ("]", False, Cycle("dream_of", 1)),
        ("d", True, Cycle("dream_of", -1)),
        ("e", True, Nudge("dream_blend", -1)),
        ("u", False, Toggle("surprise")),
        ("0", False, Command.TAP),
        ("m", True, Toggle("modulation")),
        ("7", False, RecallKey(7)),
        ("7", True, Store("scene-7", 7)),
    ],
)
def test_a_key_asks_for_its_action(key, shift, action):
    assert action_for(key, shift) == action


def test_a_key_without_function_asks_for_nothing():
    assert action_for("f9") is None


def test_shift_is_ignored_where_it_means_nothing():
    assert action_for("b", shift=True) == Toggle("blackout")


def test_a_held_key_moves_numbers_on_and_repeats_nothing_else():
    assert action_for("up", repeat=True) == Nudge("strength", 1)
    assert action_for("b", repeat=True) is None
    assert action_for("right", repeat=True) is None


def test_every_key_is_bound_once():
    names = [name for key in KEYS for name, _ in key.bindings]
    assert len(names) == len(set(names))


def test_every_binding_changes_a_setting_that_exists():
    lists = {
        "layer": ["parts", "objects"],
        "network": ["dreamnet", "another"],
        "channels": CHOICES,
        "guide": ["", "guides/cat.png"],
        "dream_of": ["", "castle"],
        "dream_to": ["", "daisy"],
    }
    start = Settings(dream_blend=0.5)
    for key in KEYS:
        for name, action in key.bindings:
            changed = apply(start, action, lists=lists)
            if isinstance(action, Cycle | Toggle | Nudge):
                assert changed != start, f"{name} changes nothing"


def test_help_and_readme_show_every_key():
    table = keys_table()
    assert len(help_rows()) == len(KEYS)
    for key in KEYS:
        assert f"| {key.shown} | {key.help} |" in table
    assert all(line.count("|") == 3 for line in table.splitlines())


def test_help_rows_name_the_keys_they_are_bound_to():
    spoken = {
        "left": "←",
        "right": "→",
        "up": "↑",
        "down": "↓",
        "escape": "Esc",
        "space": "Space",
        "tab": "Tab",
        "return": "Enter",
    }
    for key in KEYS:
        first = key.bindings[0][0].removeprefix("shift+")
        assert spoken.get(first, first.upper()) in key.shown.split()


def test_holding_esc_locks_the_keys_and_unlocks_them():
    now = [0.0]
    keyboard = Keyboard(locked=True, clock=lambda: now[0])

    def hold(seconds: float) -> list:
        keyboard.press("escape")
        for _ in range(round(seconds * 10)):
            now[0] += 0.1
            keyboard.press("escape", repeat=True)
        return keyboard.poll()

    assert hold(2.0) == []
    assert hold(4.0) == [Command.LOCK_KEYS]
    keyboard.press("b")
    assert keyboard.poll() == []
    keyboard.locked = False
    assert hold(4.0) == [Command.QUIT, Command.LOCK_KEYS]
    keyboard.press("b")
    assert keyboard.poll() == [Toggle("blackout")]


def test_presses_become_actions_in_order_and_keys_without_function_none():
    keyboard = Keyboard()
    for key in ("right", "f9", "b"):
        keyboard.press(key)
    keyboard.press("a", shift=True, repeat=True)
    assert keyboard.poll() == [Cycle("layer", 1), Toggle("blackout"), Nudge("steps", -1)]
    assert keyboard.poll() == []
