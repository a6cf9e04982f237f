"""The settings of the running show, and the names that they may take on this machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from livedream.controls.actions import Action, apply
from livedream.errors import NetworkError, UsageError
from livedream.networks.catalogue import find_weights, network_info, networks_here
from livedream.settings import DreamSettings


def consistent(settings: DreamSettings, before: DreamSettings | None = None) -> DreamSettings:
    """``settings`` with the layer in its network's own words, and the channel within the layer.

    When only the network changed from ``before``, the layer becomes the new network's layer for the same
    word. Raises ``UsageError`` for a network or layer that does not exist.
    """
    info = network_info(settings.network)
    name = settings.layer
    if before is not None and before.network != settings.network and before.layer == settings.layer:
        name = network_info(before.network).layer(name).word
    layer = info.layer(name)
    return settings.replace(layer=layer.name, channel=min(settings.channel, layer.channels - 1))


@dataclass(frozen=True)
class State:
    """The settings now, and the networks whose weights are on this machine."""

    settings: DreamSettings
    networks: tuple[str, ...]

    @classmethod
    def begin(cls, settings: DreamSettings, weights: Path | None) -> State:
        """The state to start with. Raises ``UsageError`` or ``NetworkError`` when it cannot be."""
        asked, settings = settings.channel, consistent(settings)
        info = network_info(settings.network)
        if settings.channel != asked:
            raise UsageError(
                f"layer {settings.layer} of {info.name} has no channel {asked};"
                f" possible: -1 to {settings.channel}"
            )
        # torchvision's networks may still come by download; the others are files or nothing.
        if find_weights(settings.network, weights) is None and not info.is_torchvisions:
            raise NetworkError(f"{settings.network} has no weights on this machine; {info.how_to_get}")
        here = networks_here()
        return cls(settings, here if info.name in here else (*here, info.name))

    def instead(self, network: str, layer: str, channel: int) -> State:
        """The state that dreams on another network, layer and channel."""
        return replace(self, settings=self.settings.replace(network=network, layer=layer, channel=channel))

    def after(self, action: Action) -> State:
        """The state after a control's action. Raises ``UsageError`` when that cannot be."""
        layers = [layer.name for layer in network_info(self.settings.network).layers]
        changed = apply(self.settings, action, lists={"network": self.networks, "layer": layers})
        return replace(self, settings=consistent(changed, self.settings))
