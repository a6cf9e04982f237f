"""Loads what the settings ask for, networks and guide pictures, beside the dream.

Until it is there, the dream goes on with what it had.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from livedream.errors import LivedreamError
from livedream.networks.catalogue import network_info
from livedream.settings import DreamSettings

if TYPE_CHECKING:
    from livedream.dream.dreamer import Dreamer
    from livedream.frame import Image

log = logging.getLogger(__name__)

#: Where guide pictures are looked for when none was named.
GUIDES_DIR = "guides"


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

    def forgive(self) -> None:
        """What failed may be tried again."""
        self._failed.clear()

    def want(self, name: str) -> str:
        """Begin to load ``name`` if nothing is being loaded; the error with which it failed, or nothing."""
        error = self._failed.get(name, "")
        if self._loading is None and not error:
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


class Loader:
    """Gives the dreamer what the settings name.

    ``message`` and ``error`` are for the HUD, ``failed`` names the settings whose values cannot be had, and
    ``guides`` the pictures among which a control can step.
    """

    def __init__(self, dreamer: Dreamer, weights: dict[str, str | None]) -> None:
        self._dreamer = dreamer
        self._networks = _Shelf(lambda name: dreamer.load(name, weights.get(name)), dreamer.add_network)
        self._guides = _Shelf(self._load_guide, dreamer.add_guide)
        self._old: DreamSettings | None = None
        self.guides: tuple[str, ...] = ()
        self.message = ""
        self.error = ""
        self.failed: dict[str, str] = {}
        threading.Thread(target=self._list_guides, args=(GUIDES_DIR,), daemon=True).start()

    def follow(self, settings: DreamSettings) -> DreamSettings:
        """``settings``, with the network or the guide of before as long as the wanted one is not loaded."""
        self.message, self.error, self.failed = "", "", {}
        self._networks.take()
        self._guides.take()
        old = self._old or self._first()
        if settings.network in self._dreamer.networks:
            self._networks.forgive()
        else:
            self._want(self._networks, "network", settings.network)
            settings = settings.replace(network=old.network, layer=old.layer, channels=old.channels)
        if not settings.guide or self._dreamer.has_guide(settings.guide):
            self._guides.forgive()
        else:
            self._want(self._guides, "guide", settings.guide)
            settings = settings.replace(guide=old.guide)
        self._old = settings
        return settings

    def _first(self) -> DreamSettings:
        network = self._dreamer.default_network
        return DreamSettings(network=network, layer=network_info(network).words["parts"])

    def _want(self, shelf: _Shelf, setting: str, name: str) -> None:
        error = shelf.want(name)
        if error:
            self.error, self.failed[setting] = error, name
        else:
            self.message = f"loading {name}"

    def _load_guide(self, path: str) -> Image:
        from livedream.dream.guides import load_guide

        self._list_guides(path)
        return load_guide(path)

    def _list_guides(self, path: str) -> None:
        from livedream.dream.guides import guide_pictures

        self.guides = guide_pictures(path) or self.guides
