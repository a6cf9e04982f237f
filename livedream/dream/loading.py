"""Loads what the settings ask for, networks and guide pictures, beside the dream.

Until it is there, the dream goes on with what it had.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from livedream.errors import LivedreamError
from livedream.networks.catalogue import find_weights, network_info
from livedream.settings import Settings

if TYPE_CHECKING:
    from livedream.dream.dreamer import Dreamer
    from livedream.frame import Image

log = logging.getLogger(__name__)

#: The network that every machine has.
SHIPPED = "dreamnet"
#: Where guide pictures are looked for when none was named.
GUIDES_DIR = "guides"


def loading_message(network: str, weights: str | None) -> str:
    """What is going on while a network is not there yet."""
    info = network_info(network)
    if weights is None and info.provider == "torchvision" and find_weights(network) is None:
        return f"downloading {info.weights_file}"
    return f"loading {network}"


class _Shelf:
    """Things of one kind, loaded in a thread by their names, one at a time; a failure is tried once."""

    def __init__(self, load: Callable[[str], Any], add: Callable[[str, Any], None]) -> None:
        self._load, self._add = load, add
        self._loading: str | None = None
        self._loaded: dict[str, Any] = {}
        self._failed: dict[str, str] = {}

    def take(self) -> None:
        """Hand over what has been loaded."""
        for name in list(self._loaded):
            self._add(name, self._loaded.pop(name))

    def clear_failures(self) -> None:
        """What failed may be tried again."""
        self._failed.clear()

    def want(self, name: str) -> str:
        """Begin to load ``name`` if nothing is being loaded; the error with which it failed, or nothing."""
        idle = self._loading is None  # asked first: a load that fails says so before it ends
        error = self._failed.get(name, "")
        if idle and not error:
            self._loading = name
            threading.Thread(target=self._run, args=(name,), name=f"load {name}", daemon=True).start()
        return error

    def _run(self, name: str) -> None:
        try:
            self._loaded[name] = self._load(name)
        except LivedreamError as error:
            self._failed[name] = str(error)
        except Exception as error:
            log.exception("loading %s broke off", name)
            self._failed[name] = f"{name} cannot be loaded: {type(error).__name__}: {error}"
        finally:
            self._loading = None


def _layers(settings: Settings) -> set[tuple[str, str]]:
    """The layers that the settings name, each with its network."""
    blend = network_info(settings.network).blend(settings.layer)
    return {(settings.network, layer.name) for layer, _ in blend}


class Loader:
    """Gives the dreamer what the settings name, and takes back what gives no numbers.

    ``message`` and ``error`` are for the HUD, ``failed`` names the settings whose values cannot be had, and
    ``guides`` the pictures among which a control can step.
    """

    def __init__(self, dreamer: Dreamer, weights: dict[str, str | None]) -> None:
        self._dreamer, self._weights = dreamer, weights
        self._networks = _Shelf(lambda name: dreamer.load(name, weights.get(name)), dreamer.add_network)
        self._guides = _Shelf(self._load_guide, dreamer.add_guide)
        self._old: Settings | None = None
        self._good: Settings | None = None  # the last that gave numbers
        self._wanted: set[tuple[str, str]] = set()
        self.guides: tuple[str, ...] = ()
        self.message = ""
        self.error = ""
        self.failed: dict[str, str] = {}
        threading.Thread(target=self._list_guides, args=(GUIDES_DIR,), daemon=True).start()

    def follow(self, settings: Settings) -> Settings:
        """``settings``, with the network or the guide of before as long as the wanted one is not loaded, and
        with the last good network and layer in the place of one that gives no numbers."""
        self.message, self.error, self.failed = "", "", {}
        self._networks.take()
        self._guides.take()
        old = self._old or self._first()
        if self._old and _layers(self._old) <= self._dreamer.sound:
            self._good = self._old
        wanted = _layers(settings)
        for layer in wanted - self._wanted:  # asked for anew, it is tried again
            self._dreamer.faults.pop(layer, None)
        self._wanted = wanted
        if settings.network in self._dreamer.networks:
            if not wanted & self._dreamer.faults.keys():
                self._networks.clear_failures()
        else:
            message = loading_message(settings.network, self._weights.get(settings.network))
            self._want(self._networks, "network", settings.network, message)
            settings = settings.replace(network=old.network, layer=old.layer, channels=old.channels)
        if not settings.guide or self._dreamer.has_guide(settings.guide):
            self._guides.clear_failures()
        else:
            self._want(self._guides, "guide", settings.guide, f"loading {settings.guide}")
            settings = settings.replace(guide=old.guide)
        settings = self._old = self._without_faults(settings)
        return settings

    def _without_faults(self, settings: Settings) -> Settings:
        faults = self._dreamer.faults
        fault = next((faults[layer] for layer in sorted(_layers(settings)) if layer in faults), "")
        if not fault:
            return settings
        instead = self._good
        if instead is None or _layers(instead) & faults.keys():
            instead = self._first(SHIPPED)
        error = "" if instead.network in self._dreamer.networks else self._networks.want(instead.network)
        if error or _layers(instead) & faults.keys():
            self.error = f"{fault}; nothing is dreamt until another layer or network is chosen"
            return settings
        self.error = f"{fault}; {instead.network} {instead.layer} is dreamt instead"
        if instead.network not in self._dreamer.networks:
            return settings
        self.failed |= {"network": settings.network, "layer": settings.layer}
        return settings.replace(network=instead.network, layer=instead.layer, channels=instead.channels)

    def _first(self, network: str | None = None) -> Settings:
        network = network or self._dreamer.default_network
        return Settings(network=network, layer=network_info(network).default_layer)

    def _want(self, shelf: _Shelf, setting: str, name: str, message: str) -> None:
        error = shelf.want(name)
        if error:
            self.error, self.failed[setting] = error, name
        else:
            self.message = message

    def _load_guide(self, path: str) -> Image:
        from livedream.dream.guides import load_guide

        self._list_guides(path)
        return load_guide(path)

    def _list_guides(self, path: str) -> None:
        from livedream.dream.guides import guide_pictures

        self.guides = guide_pictures(path) or self.guides
