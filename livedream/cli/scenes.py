"""``livedream scenes``: the scenes, their keys, and what is wrong with any."""

from __future__ import annotations

import sys

from livedream.cli.parser import Parser, folder
from livedream.errors import UsageError
from livedream.networks.dreamable import dreamable_networks
from livedream.performance.possible import possible, usable_moods
from livedream.performance.scenes import SHIPPED_DIR, Scenes
from livedream.settings import Settings


def scenes_command(words: list[str]) -> None:
    """Run ``livedream scenes`` with the words that follow it."""
    parser = Parser(prog="livedream scenes", description="Named settings, recalled by a digit.")
    parser.add_argument("what", choices=["list"], help="list: every scene, its key, its file, its mistakes")
    parser.add_argument("--scenes", type=folder, metavar="DIR", help="folder of your own scenes")
    found = parser.parse_args(words)
    sys.stdout.write(listing(Scenes(found.scenes)))


def listing(scenes: Scenes) -> str:
    """Every scene with its key and title, and what is wrong with its file, in lines."""
    lines, networks = [], dreamable_networks()
    for name, path in scenes.paths().items():
        try:
            scene = scenes.named(name)
        except UsageError as error:
            lines.append(f"     {error}")
            continue
        own = "" if path.parent == SHIPPED_DIR else f" ({path})"
        lines.append(f"{scene.key or ' ':>3}  {name:12} {scene.title}{own}")
        wrong = possible(scene, Settings(), networks)[1] + usable_moods(scene, Settings(), networks)[1]
        lines += [f"     {problem}" for problem in wrong]
    return "\n".join(lines) + f"\nyour own: {scenes.own}\n"
