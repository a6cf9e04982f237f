"""Loads the networks and guide images that the settings name, beside the dream.

Until they are loaded, the dream goes on with what it had.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import structs

from livedream.errors import LivedreamError
from livedream.ipc.protocol import Unavailable
from livedream.networks.catalogue import find_weights, network_info
from livedream.networks.naming import check_words
from livedream.settings import SPECS, WORD_SETTINGS, Settings
from livedream.timing import now_s

if TYPE_CHECKING:
    from livedream.dream.dreamer import Dreamer
    from livedream.frame import Image

log = logging.getLogger(__name__)

T = TypeVar("T")

#: The network that every machine has.
SHIPPED = "dreamnet"
#: Where guide images are looked for when none was named.
GUIDES_DIR = "guides"


def needs_download(network: str, weights: str | None) -> bool:
    """Whether a network's weights have to be downloaded first."""
    from_torchvision = network_info(network).provider == "torchvision"
    return weights is None and from_torchvision and find_weights(network) is None


def loading_message(network: str, weights: str | None) -> str:
    """What is going on while a network is not loaded yet."""
    if needs_download(network, weights):
        return f"downloading {network_info(network).weights_file}"
    return f"loading {network}"


#: Loading takes no longer than this, and a download of 500 MB on a slow line no longer than that.
_LOADING_S, _DOWNLOADING_S = 180.0, 3600.0


class BackgroundLoader(Generic[T]):
    """Loads things of one kind by name on a thread, one at a time; a failure is not tried again by itself.

    What takes longer than ``limit_s(name)`` counts as failed, and the next thing is loaded.
    """

    def __init__(
        self,
        load: Callable[[str], T],
        add: Callable[[str, T], None],
        limit_s: Callable[[str], float] = lambda name: _LOADING_S,
        clock: Callable[[], float] = now_s,
    ) -> None:
        self._load, self._add, self._limit_s, self._clock = load, add, limit_s, clock
        self._loading: str | None = None
        self._until_s = 0.0
        self._loaded: dict[str, T] = {}
        self._failed: dict[str, str] = {}

    @property
    def loaded(self) -> tuple[str, ...]:
        """What has been loaded and not been taken yet."""
        return tuple(self._loaded)

    def take(self) -> None:
        """Hand over what has been loaded."""
        for name in list(self._loaded):
            self._add(name, self._loaded.pop(name))

    def clear_failures(self) -> None:
        """Allow what failed to be tried again."""
        self._failed.clear()

    def want(self, name: str) -> str:
        """Start to load ``name`` unless something is being loaded; the error with which it failed, or ""."""
        loading = self._loading  # read first: a load records its result before it ends
        if loading is not None and self._clock() > self._until_s:
            self._failed[loading] = f"{loading} was not loaded within {self._limit_s(loading):.0f} s"
            loading = self._loading = None
        error = self._failed.get(name, "")
        if loading is None and not error and name not in self._loaded:
            self._loading, self._until_s = name, self._clock() + self._limit_s(name)
            threading.Thread(target=self._run, args=(name,), name=f"load {name}", daemon=True).start()
        return error

    def _run(self, name: str) -> None:
        try:
            self._loaded[name] = self._load(name)
        except LivedreamError as error:
            self._failed[name] = str(error)
        except Exception as error:
            log.exception("loading %s failed", name)
            self._failed[name] = f"{name} cannot be loaded: {type(error).__name__}: {error}"
        finally:
            if self._loading == name:  # or it took too long
                self._loading = None


def _layers(settings: Settings) -> set[tuple[str, str]]:
    """The layers that the settings name, each with its network."""
    blend = network_info(settings.network).blend(settings.layer)
    return {(settings.network, layer.name) for layer, _ in blend}


def _dreaming(settings: Settings, what: Settings) -> Settings:
    """``settings``, with the network, layer, channels and words of ``what``; words exclude a guide."""
    changes = {name: getattr(what, name) for name in ("network", "layer", "channels", *WORD_SETTINGS)}
    return settings.replace(**changes | ({"guide": ""} if what.by_words else {}))


class Loader:
    """Gives the dreamer what the settings name, and replaces layers that produce NaN.

    ``message`` and ``error`` are for the HUD, ``unavailable`` names what is wanted and cannot be dreamt, and
    ``guides`` are the images that a control can step through. ``load_guide`` loads guides from elsewhere than
    this machine's disk.
    """

    def __init__(
        self,
        dreamer: Dreamer,
        weights: dict[str, str | None],
        load_guide: Callable[[str], Image] | None = None,
    ) -> None:
        self._dreamer, self._weights = dreamer, weights
        self._networks = BackgroundLoader(
            lambda name: dreamer.load(name, weights.get(name)), dreamer.add_network, self._network_s
        )
        self._guides = BackgroundLoader(load_guide or self._load_guide, dreamer.add_guide)
        self._old: Settings | None = None
        self._good: Settings | None = None  # the last that produced finite numbers
        self._wanted: set[tuple[str, str]] = set()
        self._checked: Settings | None = None
        self.guides: tuple[str, ...] = ()
        self.message = ""
        self.error = ""
        self.unavailable = Unavailable()
        if load_guide is None:
            threading.Thread(target=self._list_guides, args=(GUIDES_DIR,), daemon=True).start()

    def follow(self, settings: Settings) -> Settings:
        """``settings`` as they can be dreamt now.

        A network or guide that is not loaded yet is replaced by the one before, and a layer that produces NaN
        by the last good network and layer.
        """
        self.message, self.error, self.unavailable = "", "", Unavailable()
        self._networks.take()
        self._guides.take()
        old = self._old or self._first()
        if self._old and _layers(self._old) <= self._dreamer.sound:
            self._good = self._old
        wanted = _layers(settings)
        for layer in wanted - self._wanted:  # asked for again, it is tried again
            self._dreamer.faults.pop(layer, None)
        self._wanted = wanted
        if settings.network in self._dreamer.networks:
            if not wanted & self._dreamer.faults.keys():
                self._networks.clear_failures()
        else:
            message = loading_message(settings.network, self._weights.get(settings.network))
            if self._want(self._networks.want(settings.network), message):
                self.unavailable = structs.replace(self.unavailable, network=settings.network)
            settings = _dreaming(settings, old)
        if not settings.guide or self._dreamer.has_guide(settings.guide):
            self._guides.clear_failures()
        else:
            if self._want(self._guides.want(settings.guide), f"loading guide {Path(settings.guide).stem}"):
                self.unavailable = structs.replace(self.unavailable, guide=settings.guide)
            settings = settings.replace(guide=old.guide)
        settings = self._old = self._without_faults(self._with_known_words(settings))
        return settings

    def retry_guides(self) -> None:
        """Try those again that could not be loaded: there is something new to load."""
        self._guides.clear_failures()

    def _with_known_words(self, settings: Settings) -> Settings:
        """``settings`` without words that cannot be dreamt, as when a scene's mood meets another layer."""
        if settings == self._checked:
            return settings
        try:
            self._checked = check_words(settings)
            return self._checked
        except LivedreamError as error:
            self.error = str(error)
            return settings.replace(**{name: SPECS[name].default for name in (*WORD_SETTINGS, "palette")})

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
            self.error = f"{fault}; no dream until another layer or network is chosen"
            return settings
        self.error = f"{fault}; dreaming {instead.network} {instead.layer} instead"
        if instead.network not in self._dreamer.networks:
            return settings
        self.unavailable = structs.replace(self.unavailable, network=settings.network, layer=settings.layer)
        return _dreaming(settings, instead)

    def _network_s(self, name: str) -> float:
        """How long a network may take."""
        return _DOWNLOADING_S if needs_download(name, self._weights.get(name)) else _LOADING_S

    def _first(self, network: str | None = None) -> Settings:
        network = network or self._dreamer.default_network
        return Settings(network=network, layer=network_info(network).default_layer)

    def _want(self, error: str, message: str) -> bool:
        """Report the error with which loading failed, or else that it goes on; whether it failed."""
        if error:
            self.error = error
        else:
            self.message = message
        return bool(error)

    def _load_guide(self, path: str) -> Image:
        from livedream.dream.guides import load_guide

        self._list_guides(path)
        return load_guide(path)

    def _list_guides(self, path: str) -> None:
        from livedream.dream.guides import guide_images

        self.guides = guide_images(path) or self.guides
