"""Scenes: named settings, one TOML file each.

    title = "Fur"
    fade_s = 4.0            # how long it takes to fade to it
    key = 2                 # the digit that recalls it, if any

    [settings]
    layer = "textures"

    [still]                 # while a visitor stands still, see livedream.performance.moods
    fade_s = 60.0
    strength = 1.5

    [[modulation]]          # what moves a setting all the time, see livedream.performance.patches
    source = "beat"
    setting = "zoom"

Settings that a scene does not name are at their defaults, so it looks the same whatever was shown before;
only the network stays, if the scene names none. What belongs to the place, the machine or the person at the
controls (see ``Spec.scope``) is not part of a scene.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from livedream.controls.desk import SCENE_NAME, SceneTitle
from livedream.controls.patch import Patch
from livedream.data import shipped
from livedream.errors import OutputError, UnreadableError, UsageError, quoted
from livedream.files import replace_file, set_aside
from livedream.performance.moods import MOODS, Mood
from livedream.performance.patches import patch_text, read_patch
from livedream.places import scenes_dir
from livedream.settings import SPECS, Settings
from livedream.toml_files import beginning, read_toml, some, toml

#: The scenes that come with the mirror.
SHIPPED_DIR = shipped("scenes")
#: Until somebody edits the file of a stored scene.
DEFAULT_FADE_S = 3.0
#: The settings that a scene may hold.
SCENE_SETTINGS = tuple(name for name, spec in SPECS.items() if spec.scope == "scene")
_LONGEST_FADE_S = 600.0
#: A picture this young was made together with its scene.
_JUST_S = 10.0


@dataclass(frozen=True)
class Scene:
    """Named settings; all others are at their defaults. ``key`` is 1 to 9, or 0 for none.

    ``moods`` are by their names in :data:`~livedream.performance.moods.MOODS`, those that the scene has.
    ``problems`` says what in its file could not be used.
    """

    name: str
    settings: dict[str, Any]
    title: str = ""
    fade_s: float = DEFAULT_FADE_S
    key: int = 0
    problems: tuple[str, ...] = field(default=(), compare=False)
    moods: Mapping[str, Mood] = field(default_factory=dict)
    patch: Patch = field(default_factory=Patch)

    def over(self, base: Settings) -> Settings:
        """All settings when this scene replaces ``base``."""
        defaults = {name: SPECS[name].default for name in SCENE_SETTINGS if name != "network"}
        return base.replace(**defaults | self.settings)

    def text(self) -> str:
        """The scene's file."""
        head = [f"title = {toml(self.title)}", f"fade_s = {toml(self.fade_s)}"]
        head += [f"key = {self.key}"] if self.key else []
        tables = {"settings": self.settings}
        for name, mood in self.moods.items():
            tables[name] = {"fade_s": mood.fade_s, **mood.settings}
        for name, table in tables.items():
            head += ["", f"[{name}]", *(f"{n} = {toml(v)}" for n, v in table.items())]
        return "\n".join(head) + "\n" + patch_text(self.patch)


def scene_of(
    settings: Settings,
    name: str,
    title: str,
    key: int = 0,
    moods: Mapping[str, Mood] | None = None,
    patch: Patch | None = None,
) -> Scene:
    """The scene that recalls ``settings``, on the same network."""
    values = settings.as_dict()
    told = [n for n in SCENE_SETTINGS if n in ("network", "layer") or values[n] != SPECS[n].default]
    values = {name: values[name] for name in told}
    return Scene(name, values, title, key=key, moods=moods or {}, patch=patch or Patch())


def read_scene(path: Path) -> Scene:
    """The scene in a file. What cannot be used is left out and reported in ``problems``.

    Raises ``UsageError`` when the file cannot be read at all.
    """
    content = read_toml(path, "scene")
    problems = []
    known = ("title", "fade_s", "key", "settings", *MOODS, "modulation", "lfo")
    unknown = [name for name in content if name not in known]
    if unknown:
        problems.append(f"scene {path}: {some(unknown)}: unknown; possible: {', '.join(known)}")
    settings = _settings(content.get("settings", {}), f"scene {path}: ", "settings", problems)
    moods = {name: _mood(content[name], path, name, problems) for name in MOODS if name in content}
    patch = read_patch(content, f"scene {path}: ", problems)
    title, key = content.get("title", path.stem), content.get("key", 0)
    if not isinstance(title, str):
        problems.append(f"scene {path}: title: invalid value {quoted(title)}: expected a text in quotes")
        title = path.stem
    fade_s = _fade_s(content.get("fade_s", DEFAULT_FADE_S), f"scene {path}: ", problems)
    if type(key) is not int or not 0 <= key <= 9:
        problems.append(f"scene {path}: key: invalid value {quoted(key)}: expected 1–9, or 0 for none")
        key = 0
    return Scene(path.stem, settings, title, fade_s, key, tuple(problems), moods, patch)


def _settings(table: Any, where: str, name: str, problems: list[str]) -> dict[str, Any]:
    """What can be used of a table of settings; ``where`` begins what is said about the rest."""
    if not isinstance(table, dict):
        problems.append(f"{where}{name}: invalid value {quoted(table)}: expected a table [{name}]")
        return {}
    unknown = [name for name in table if name not in SPECS]
    if unknown:
        problems.append(f"{where}{some(unknown)}: unknown setting; possible: {', '.join(SCENE_SETTINGS)}")
    settings = {}
    for name, value in table.items():
        if name not in SPECS:
            continue
        try:
            if name not in SCENE_SETTINGS:
                raise UsageError(
                    f"setting {name}: belongs to the place, not to a scene;"
                    f" possible: {', '.join(SCENE_SETTINGS)}"
                )
            settings[name] = SPECS[name].check(value)
            Settings(**{name: value})
        except UsageError as error:
            settings.pop(name, None)
            problems.append(f"{where}{error}")
    return settings


def _mood(table: Any, path: Path, name: str, problems: list[str]) -> Mood:
    """A mood's table: settings, and ``fade_s`` beside them."""
    where, fade_s = f"scene {path}: {name}: ", DEFAULT_FADE_S
    if isinstance(table, dict):
        fade_s = _fade_s(table.get("fade_s", DEFAULT_FADE_S), where, problems)
        table = {n: value for n, value in table.items() if n != "fade_s"}
        if "network" in table:
            problems.append(f"{where}network: only the whole scene can have one, in [settings]")
            del table["network"]
    return Mood(_settings(table, where, name, problems), fade_s)


def _fade_s(value: Any, where: str, problems: list[str]) -> float:
    if not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value <= _LONGEST_FADE_S:
        return float(value)
    problems.append(f"{where}fade_s: invalid value {quoted(value)}: expected 0–{_LONGEST_FADE_S:.0f} s")
    return DEFAULT_FADE_S


def _first_of(paths: Sequence[Path], tidy: bool) -> Scene:
    """The first scene that can be read; what is wrong with those before it is among its problems."""
    wrong = []
    for path in paths:
        try:
            scene = read_scene(path)
        except UnreadableError as error:
            moved = set_aside(path) if tidy and not error.text else None
            wrong.append(str(error) + (f"; moved to {moved.name}" if moved else ""))
        else:
            instead = tuple(f"{text}; {path.stem} is used instead" for text in wrong)
            return replace(scene, problems=(*instead, *scene.problems))
    raise UnreadableError(wrong[0])


class Scenes:
    """The scenes in several folders; of two with the same name or key, the one in the first folder wins.

    ``own`` is the first folder: where scenes are stored.
    """

    def __init__(self, own: Path | None = None) -> None:
        self.own = own or scenes_dir()
        self._folders: Sequence[Path] = (self.own, SHIPPED_DIR)

    def paths(self) -> dict[str, Path]:
        """The file of each scene by name, in order of the names."""
        found: dict[str, Path] = {}
        for folder in self._folders:
            for path in folder.glob("*.toml"):
                found.setdefault(path.stem, path)
        return dict(sorted(found.items()))

    def named(self, name: str, *, tidy: bool = False) -> Scene:
        """The scene of this name. Where the user's cannot be read it is the shipped one; its problems say so.

        With ``tidy`` a file that is no text is moved aside. Raises ``UsageError`` when there is no such
        scene, ``UnreadableError`` when none can be read.
        """
        found = [path for folder in self._folders if (path := folder / f"{name}.toml").exists()]
        if name not in self.paths():
            raise UsageError(f"unknown scene {quoted(name)}; possible: {', '.join(self.paths())}")
        return _first_of(found, tidy)

    def titles(self) -> tuple[SceneTitle, ...]:
        """All scenes, those on keys first. One that cannot be read has its name for a title."""
        found = []
        for name, path in self.paths().items():
            try:
                scene = read_scene(path)
            except UsageError:
                scene = Scene(name, {}, name)
            found.append(SceneTitle(name, scene.title or name, scene.key, path.parent == self.own))
        return tuple(sorted(found, key=lambda title: (title.key or 10, title.title)))

    def on_key(self, key: int, *, tidy: bool = False) -> Scene:
        """The scene on a digit; otherwise as :meth:`named`."""
        found = []
        for path in (path for folder in self._folders for path in sorted(folder.glob("*.toml"))):
            # A scene with a mistake in it may still be the one that this key means.
            with suppress(OSError):
                if re.search(rf"^key\s*=\s*{key}\b", beginning(path).decode("utf-8", "replace"), re.M):
                    found.append(path)
        if not found:
            raise UsageError(f"no scene is on key {key}; Shift {key} stores what is shown")
        return _first_of(found, tidy)

    def check_name(self, name: str) -> None:
        """Raise ``UsageError`` when a scene cannot be stored under ``name``: it becomes a file's name."""
        if not SCENE_NAME.fullmatch(name):
            raise UsageError(
                f"invalid scene name {quoted(name)}: expected up to 60 letters, digits, spaces, - and _"
            )

    def store(
        self,
        settings: Settings,
        name: str,
        key: int = 0,
        moods: Mapping[str, Mood] | None = None,
        patch: Patch | None = None,
    ) -> Path:
        """Store ``settings``, ``moods`` and modulation as the scene ``name``, on a digit if any.

        There is never a half-written file.

        Raises ``UsageError`` for a name that no file can have, ``OutputError`` when it cannot be written.
        """
        self.check_name(name)
        path = self.own / f"{name}.toml"
        try:
            self.own.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"no folder {str(self.own)!r} for scenes: {error.strerror}") from error
        title = f"Scene {key}" if name == f"scene-{key}" else name
        replace_file(path, scene_of(settings, name, title, key, moods, patch).text().encode())
        _forget_picture(path, older_s=_JUST_S)
        return path

    def rename(self, name: str, new: str) -> str:
        """Rename one of the user's own scenes; its new name.

        Raises ``UsageError`` for a scene that comes with livedream, and a name that is taken or impossible;
        ``OutputError`` when the file cannot be renamed.
        """
        self.check_name(new)
        path = self._own_path(name)
        goal = self.own / f"{new}.toml"
        if goal.exists():
            raise UsageError(f"there is a scene {quoted(new)} already; possible: another name")
        title = re.compile(r"^title = .*$", re.M)
        replace_file(goal, title.sub(lambda _: f"title = {toml(new)}", path.read_text("utf-8"), 1).encode())
        path.unlink()
        with suppress(OSError):  # most scenes have none
            os.utime(path.with_suffix(".jpg").replace(goal.with_suffix(".jpg")))
        return new

    def delete(self, name: str) -> str:
        """Delete one of the user's own scenes; its name.

        Raises ``UsageError`` for a scene that comes with livedream, ``OutputError`` when that fails.
        """
        path = self._own_path(name)
        try:
            path.unlink()
            _forget_picture(path)
        except OSError as error:
            raise OutputError(f"cannot delete {str(path)!r}: {error.strerror}") from error
        return name

    def _own_path(self, name: str) -> Path:
        """The file of a scene of the user's own. Raises ``UsageError``."""
        paths = self.paths()
        if name not in paths:
            raise UsageError(f"unknown scene {quoted(name)}; possible: {', '.join(paths)}")
        if paths[name].parent != self.own:
            raise UsageError(
                f"scene {quoted(name)} comes with livedream and stays; possible: scenes of your own"
            )
        return paths[name]


def _forget_picture(scene: Path, older_s: float = 0.0) -> None:
    """Delete the picture of a scene, if it has one and that is so old: it is of an earlier scene."""
    picture = scene.with_suffix(".jpg")
    with suppress(FileNotFoundError):
        if time.time() - picture.stat().st_mtime >= older_s:
            picture.unlink()
