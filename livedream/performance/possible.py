"""What of a scene can be played on this machine, from where the show is now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from livedream.errors import MissingPackageError, NetworkError, UsageError
from livedream.performance.moods import Mood
from livedream.performance.scenes import Scene
from livedream.performance.state import DREAMT, consistent, require_exported, require_weights
from livedream.settings import WORD_SETTINGS, Settings


def possible(
    scene: Scene, base: Settings, networks: Collection[str] | None = None
) -> tuple[Settings, tuple[str, ...]]:
    """All settings when ``scene`` is recalled from ``base``, and which parts of the scene could not be used.

    The network stays unless the new one is among ``networks``; None stands for all that there are. What is
    dreamt stays where only PyTorch could dream the new layer, and is not there.
    """
    problems = list(scene.problems)
    # These can be wrong without being out of range; each depends on the one before.
    dependent = ("network", "layer", "channels", *WORD_SETTINGS)
    names = [name for name in dependent if name in scene.settings]
    rest = {name: value for name, value in scene.settings.items() if name not in names}
    settings = consistent(replace(scene, settings=rest).over(base))
    for name in names:
        try:
            changed = consistent(settings.replace(**{name: scene.settings[name]}), settings)
            if networks is not None and changed.network != settings.network:
                require_weights(changed.network, networks)
            settings = changed
        except (UsageError, NetworkError) as error:
            problems.append(f"scene {scene.name}: {name}: {error}")
    try:
        require_exported(settings)
    except MissingPackageError as error:
        problems.append(f"scene {scene.name}: {error}")
        kept = (*DREAMT, "channels", *WORD_SETTINGS)
        settings = settings.replace(**{name: getattr(base, name) for name in kept})
    return settings, tuple(problems)


def usable_moods(
    scene: Scene, base: Settings, networks: Collection[str] | None = None
) -> tuple[dict[str, Mood], tuple[str, ...]]:
    """The moods of ``scene`` that are possible when recalled from ``base``, and what is wrong with others.

    ``networks`` are as in :func:`possible`.
    """
    moods, problems = {}, []
    for name, mood in scene.moods.items():
        whole = replace(scene, settings={**scene.settings, **mood.settings}, problems=())
        new = set(possible(whole, base, networks)[1]) - set(
            possible(replace(whole, settings=scene.settings), base, networks)[1]
        )
        problems += [
            text.replace(f"scene {scene.name}: ", f"scene {scene.name}: {name}: ", 1) for text in sorted(new)
        ]
        if not new:
            moods[name] = mood
    return moods, tuple(problems)
