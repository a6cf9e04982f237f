"""What a mirror may ask for. The messages' types are right already; here it is their values."""

from __future__ import annotations

from livedream.channels import parse_channels
from livedream.errors import ProtocolError, one_line, quoted
from livedream.ipc.protocol import Order
from livedream.ipc.room_messages import Picture
from livedream.ipc.room_pixels import checked_size
from livedream.networks.catalogue import network_info

#: Layers in one mix: each costs a gradient.
MOST_LAYERS = 8
_NAME_LENGTH = 40
#: Larger numbers are no times, rates or sizes of a mirror's.
_LONGEST_S, _LARGEST = 1e4, 1e9
_LARGEST_PX = 16384
_MOST_ASPECT = 50.0


def mirror_name(text: str) -> str:
    """A mirror's name as it can be shown and logged: one short line."""
    return one_line(text, _NAME_LENGTH) or "a mirror"


def checked_order(order: Order) -> Order:
    """``order``, if it can be followed. Raises ``UsageError`` or ``ProtocolError`` where it cannot."""
    layers = network_info(order.settings.network).blend(order.settings.layer)
    if len(layers) > MOST_LAYERS:
        raise ProtocolError(f"layer mixes {len(layers)} layers; possible in a room: {MOST_LAYERS}")
    parse_channels(order.settings.channels)
    for name, value, least, most in (
        ("aspect", order.aspect, 1 / _MOST_ASPECT, _MOST_ASPECT),
        ("transition_s", order.transition_s, 0.0, _LONGEST_S),
        ("persistence_limit_s", order.persistence_limit_s, 0.0, 60.0),
        ("camera_hz", order.camera_hz, 0.0, _LONGEST_S),
        ("leg_s", order.leg_s, -_LARGEST, _LARGEST),
    ):
        _check(name, value, least, most)
    return order


def checked_picture(picture: Picture) -> Picture:
    """``picture``, if it can be one. Raises ``ProtocolError``."""
    checked_size(picture.size)
    for side in picture.visible:
        _check("a side of what is visible", side, 1, _LARGEST_PX)
    _check("time_s", picture.time_s, -_LARGEST, _LARGEST)
    return picture


def _check(name: str, value: float | None, least: float, most: float) -> None:
    if value is not None and not least <= value <= most:  # NaN fails this too
        raise ProtocolError(f"{name} is {quoted(value)}; possible: {least:g} to {most:g}")
