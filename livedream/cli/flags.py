"""Flags that several commands have: those of all settings are made from the settings' own metadata."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from livedream.cli.parser import checked, folder
from livedream.errors import UsageError
from livedream.extras import require_installed
from livedream.files import require_writable
from livedream.logs import configure_logging
from livedream.runtimes.names import BACKENDS
from livedream.settings import SPECS, Settings, parse_assignment
from livedream.specs import GROUPS, Command

log = logging.getLogger(__name__)

#: The package that a backend is part of, by the first word of its name.
_BACKEND_PACKAGES = {
    "openvino": "openvino",
    "onnxruntime": "onnxruntime",
    "tensorrt": "onnxruntime",
    "pytorch": "torch",
}


def used_by(command: Command) -> list[str]:
    """The settings that a command uses."""
    return [name for name, spec in SPECS.items() if command in spec.used_by]


def add_common(parser: argparse.ArgumentParser) -> None:
    """Flags of all commands that dream."""
    add = parser.add_argument_group("what dreams").add_argument
    add("--weights", type=Path, metavar="FILE", help="the weight file of --network")
    add("--device", default="auto", help="auto, cuda, cuda:1, mps or cpu (default: auto)")
    add("--scene", metavar="NAME", help="begin with this scene; see livedream scenes list")
    add(
        "--scenes",
        type=folder,
        metavar="DIR",
        help="folder of your own scenes (default: see livedream doctor)",
    )
    add(
        "--backend",
        default="auto",
        choices=("auto", *BACKENDS),
        metavar="NAME",
        help=f"what runs the network: auto (the fastest here), {', '.join(BACKENDS)}",
    )
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting; may be repeated")
    add("--verbose", action="store_true", help="log more")


def add_settings(parser: argparse.ArgumentParser, names: Collection[str]) -> None:
    """A flag for each of these settings."""
    groups = {name: parser.add_argument_group(f"settings of the {name}") for name in GROUPS}
    for spec in (SPECS[name] for name in names):
        group = groups[spec.group]
        default = spec.word(spec.default)
        note = f"{spec.help} ({f'default: {default}; ' if default else ''}{spec.possible})"
        if spec.kind is bool:
            group.add_argument(spec.flag, action=argparse.BooleanOptionalAction, help=note, default=None)
        else:
            group.add_argument(spec.flag, type=checked(spec.parse), help=note.replace("%", "%%"), metavar="X")


def settings_from(found: argparse.Namespace, base: Settings) -> Settings:
    """``base``, changed by the scene, then by the flags, then by each ``--set``. Raises ``UsageError``."""
    if found.scene is not None:
        from livedream.performance.possible import possible, usable_moods
        from livedream.performance.scenes import Scenes

        scene = Scenes(found.scenes).named(found.scene)
        wrong = usable_moods(scene, base)[1]
        base, problems = possible(scene, base)
        for problem in problems + wrong:
            log.error("%s", problem)
    return base.replace(**changes_from(found))


def changes_from(found: argparse.Namespace) -> dict[str, Any]:
    """What the flags and each ``--set`` change. Raises ``UsageError``."""
    changes = {name: value for name in SPECS if (value := getattr(found, name, None)) is not None}
    for text in found.set:
        changes |= parse_assignment(text)
    return changes


def refuse_unused(found: argparse.Namespace, command: Command) -> None:
    """Raise ``UsageError`` for a setting that would change nothing: somebody expects it to."""
    used = used_by(command)
    unused = [name for name in changes_from(found) if name not in used]
    if unused:
        how = "render --classic has its own values and" if command == "classic" else command
        raise UsageError(f"{how} does not use {', '.join(unused)}; possible: {', '.join(used)}")


def require_backend(found: argparse.Namespace) -> None:
    """Raise ``MissingPackageError`` when what ``--backend`` asks for is not installed."""
    package = _BACKEND_PACKAGES.get(found.backend.partition("-")[0])
    if package is not None:
        require_installed(package, f"--backend {found.backend}")


def start_logging(found: argparse.Namespace, file: Path | None = None) -> int:
    """Log as ``--verbose`` asks, and to ``file``; the level. Raises ``OutputError``."""
    level = logging.DEBUG if found.verbose else logging.INFO
    if file is not None:
        require_writable(file)
    configure_logging("show", level, file, rotates=True)
    return level
