"""The settings that are wanted, and the networks and layers that they may name on this machine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from livedream.channels import CHOICES, channels_text, parse_channels
from livedream.controls.actions import Action, Cycle, Set, SetUnit, apply
from livedream.errors import LivedreamError, NetworkError, UsageError, quoted
from livedream.networks.catalogue import LayerInfo, find_weights, network_info
from livedream.networks.dreamable import dreamable_layers, dreamable_networks, require_dreamable
from livedream.networks.naming import beginning_with, check_words, named, palette_words, walked_words
from livedream.networks.provenance import require_undamaged
from livedream.networks.words import table_path, word_table
from livedream.settings import DEPENDENT_SETTINGS, SPECS, WORD_SETTINGS, Settings

#: Larger weights are checked where they are loaded: hashing them would delay the first picture by a second.
_HASHED_AT_ONCE_BYTES = 200 << 20

#: The settings that say which graph is needed.
DREAMT = ("network", "layer", "pool_gradient", "guide")
#: The settings of which more has to be right than their own range.
_CHECKED = {*DREAMT, "channels", "palette", *WORD_SETTINGS}


def consistent(settings: Settings, before: Settings | None = None) -> Settings:
    """``settings`` with layer and words under their network's own names, and the channels in order.

    When only the network changed from ``before``, each layer becomes the new network's layer for the same
    word. Raises ``UsageError`` for a network, layer or word that does not exist, impossible channels, and
    words beside a guide or channels; ``NetworkError`` for a damaged table of words.
    """
    name = settings.layer
    if before is not None and before.network != settings.network and before.layer == settings.layer:
        blend = network_info(before.network).blend(name)
        name = ",".join(f"{layer.word}:{weight}" for layer, weight in blend)
    channels = channels_text(parse_channels(settings.channels))
    layer = _blend_text(network_info(settings.network).blend(name))
    return check_words(settings.replace(layer=layer, channels=channels))


def require_weights(name: str, networks: Collection[str]) -> None:
    """Raise ``UsageError`` when a network is not among ``networks``, which can be dreamt here.

    A running show never starts a download: it may be half a gigabyte, in front of an audience.
    """
    info = network_info(name)
    if name not in networks:
        how = info.how_to_get if info.provider == "livedream" else f"run: livedream models fetch {name}"
        raise UsageError(f"{name} has no weights on this machine; {how}")


def require_exported(settings: Settings) -> None:
    """Raise ``MissingPackageError`` when only PyTorch could dream these settings, and it is not there."""
    layers = [layer.name for layer, _ in network_info(settings.network).blend(settings.layer)]
    require_dreamable(
        settings.network,
        layers,
        pool_gradient=settings.pool_gradient,
        guide=bool(settings.guide),
        words=settings.by_words,
    )


def newest_wins(settings: Settings, before: Settings, action: Action | None = None) -> Settings:
    """``settings`` without what excludes what ``action`` has just asked for, and was there ``before``.

    Words, a guide and channels exclude each other; so do words that are asked for, walked through and
    recognised. All channels (key L) is the whole layer: no words either.
    """
    changed = set(settings.differences(before))
    whole_layer = action == Set("channels", "")
    if whole_layer or any(name in changed and getattr(settings, name) for name in ("guide", "channels")):
        return settings.replace(**{name: SPECS[name].default for name in WORD_SETTINGS})
    if not (changed & set(WORD_SETTINGS) and settings.by_words):
        return settings
    settings = settings.replace(guide="", channels="")
    if "surprise" in changed and settings.surprise:
        return settings.replace(word_walk=False)
    if "word_walk" in changed and settings.word_walk:
        return settings.replace(surprise=False)
    if "dream_of" in changed:
        walks = settings.word_walk and not isinstance(action, Cycle) and "," in settings.dream_of
        return settings.replace(word_walk=walks, surprise=False)
    return settings


def words_news(settings: Settings) -> str:
    """What words are dreamt from now on, in a line for the operator."""
    if settings.surprise:
        text = "what the camera shows"
    elif settings.word_walk:
        text = f"{', '.join(walked_words(settings))} in turn"
    else:
        text = settings.dream_of or "the whole layer"
    return f"dream of {text}" + (f"; fader to {settings.dream_to}" if settings.dream_to else "")


def _blend_text(blend: tuple[tuple[LayerInfo, float], ...]) -> str:
    """``4c``, or ``3b:0.3,4c:0.7``."""
    if len(blend) == 1:
        return blend[0][0].name
    return ",".join(f"{layer.name}:{weight:.2g}" for layer, weight in blend)


@dataclass(frozen=True)
class Dreamt:
    """What a control needs to know of the dream: the layer and the word that weigh most now, and the guides
    there are."""

    layer: str = ""
    word: str = ""
    guides: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlayState:
    """The settings now, and the networks that a control or a scene may change to.

    ``networks`` are those that this machine can dream, and the one that the show began with.
    """

    settings: Settings
    networks: tuple[str, ...]

    @classmethod
    def begin(cls, settings: Settings, weights: Path | None) -> PlayState:
        """The state to start with.

        Raises ``UsageError``, ``NetworkError`` or ``MissingPackageError`` when it is not possible.
        """
        settings = consistent(settings)
        info = network_info(settings.network)
        for layer, _ in info.blend(settings.layer):
            missing = [n for n in parse_channels(settings.channels).numbers if n >= layer.channels]
            if missing:
                raise UsageError(
                    f"layer {layer.name} of {info.name} has no channel {missing[0]};"
                    f" expected 0–{layer.channels - 1}"
                )
        require_exported(settings)
        # torchvision's networks may still be downloaded; the others must be files.
        path = find_weights(settings.network, weights)
        if path is None and info.provider != "torchvision":
            raise NetworkError(f"{settings.network} has no weights on this machine; {info.how_to_get}")
        if path is not None and path.stat().st_size <= _HASHED_AT_ONCE_BYTES:
            require_undamaged(settings.network, path)
        here = dreamable_networks()
        return cls(settings, here if info.name in here else (*here, info.name))

    def with_networks(self, names: Sequence[str]) -> PlayState:
        """The state with more networks to change to, fetched while the show runs."""
        return replace(self, networks=tuple(dict.fromkeys((*self.networks, *names))))

    def instead(self, **dreamt: Any) -> PlayState:
        """The state with other settings, where the wanted ones are not possible."""
        return replace(self, settings=self.settings.replace(**dreamt))

    def after(self, action: Action, guides: Sequence[str] = ()) -> PlayState:
        """The state after a control's action.

        Raises ``UsageError`` or ``MissingPackageError`` when that is not possible. ``guides`` are
        the images that a control can step through; before the first of them there is none.
        """
        lists: dict[str, Sequence[Any]] = {}
        if isinstance(action, Cycle | SetUnit) and action.name in DEPENDENT_SETTINGS:
            lists = self._lists(guides) | self._worded_lists(action.name)
        changed = apply(self.settings, action, lists=lists)
        if _CHECKED.isdisjoint(changed.differences(self.settings)) and action != Set("channels", ""):
            return replace(self, settings=changed)  # a number more or less: possible anywhere
        settings = consistent(newest_wins(changed, self.settings, action), self.settings)
        graphs = (*DREAMT, *WORD_SETTINGS)
        if any(getattr(settings, name) != getattr(self.settings, name) for name in graphs):
            require_exported(settings)
        if settings.network != self.settings.network:
            require_weights(settings.network, self.networks)
        return replace(self, settings=settings)

    def lists(self) -> dict[str, Sequence[Any]]:
        """The values that a control offers for the settings whose values depend on others."""
        lists = self._lists(())
        del lists["guide"]  # the dream process knows
        for name in ("dream_of", "dream_to", "layer"):
            with suppress(LivedreamError):
                lists |= self._worded_lists(name)
        return lists

    def _lists(self, guides: Sequence[str]) -> dict[str, Sequence[Any]]:
        return {
            "network": self.networks,
            "layer": dreamable_layers(self.settings.network),
            "channels": CHOICES,
            "guide": ("", *guides),
        }

    def _worded_lists(self, name: str) -> dict[str, Sequence[Any]]:
        """What a control of the setting ``name`` steps through where words are concerned: the palette; with
        words, only layers and networks that have them. Raises ``UsageError`` for a palette without a word."""
        settings = self.settings
        if name in ("dream_of", "dream_to"):
            words = palette_words(settings)
            if not words:
                word_table(settings.network)  # a network without words says how to get them
                raise UsageError(
                    f"{settings.network} has no word of the palette {quoted(settings.palette)}; possible:"
                    " words from livedream models words"
                )
            if name == "dream_to":  # what comes after the word that is dreamt, and not that word itself
                dreamt = tuple(named(settings.network, settings.dream_of))
                words = tuple(word for word in beginning_with(dreamt, words) if word not in dreamt[:1])
            return {name: ("", *words)}
        if not settings.by_words:
            return {}
        worded = word_table(settings.network).layers
        layers = dreamable_layers(settings.network)
        return {
            "layer": tuple(layer for layer in layers if layer in worded),
            "network": tuple(name for name in self.networks if table_path(name) is not None),
        }
