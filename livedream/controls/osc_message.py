"""OSC datagrams: what is in one, strictly, and how one is made.

python-osc reads and writes the messages. Bundles are taken apart here: its own reader goes round for ever on
an element of negative length, and its dispatcher sleeps until the time of a bundle that is stamped in the
future. Here each message counts at once, whatever its bundle's time.
"""

from __future__ import annotations

from typing import Any

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message import ParseError as MessageError
from pythonosc.osc_message_builder import OscMessageBuilder

#: An address and its arguments: numbers, texts, booleans, bytes, None.
Message = tuple[str, tuple[Any, ...]]

_BUNDLE = b"#bundle\0"
#: Bundles in bundles in bundles: nobody sends more.
_DEEPEST = 8
#: What is read. ``I``, the impulse, is read as no argument: python-osc passes it over, and warns each time.
_TAGS = frozenset(b"ifsbhdtrmTFN[]")
_IMPULSE = b"I"


class MalformedError(ValueError):
    """A datagram that is not OSC; the message says why."""


def messages(data: bytes) -> list[Message]:
    """The messages in a datagram, in order. Raises ``MalformedError``, and then none of them counts."""
    found: list[Message] = []
    _read(data, found, 0)
    return found


def datagram(address: str, value: Any) -> bytes:
    """A message with one argument: a text, or a number as int32 or float32."""
    builder = OscMessageBuilder(address)
    builder.add_arg(value)
    return builder.build().dgram


def _read(data: bytes, found: list[Message], depth: int) -> None:
    if data.startswith(b"/"):
        found.append(_message(data))
    elif data.startswith(_BUNDLE):
        if depth >= _DEEPEST:
            raise MalformedError(f"bundles in bundles, more than {_DEEPEST} deep")
        _read_bundle(data, found, depth)
    else:
        raise MalformedError("neither a message, which begins with /, nor a bundle")


def _read_bundle(data: bytes, found: list[Message], depth: int) -> None:
    index = 16  # after its name and its time
    if len(data) < index:
        raise MalformedError("a bundle without a time")
    while index < len(data):
        size = int.from_bytes(data[index : index + 4], "big")
        index += 4
        if index + size > len(data):
            raise MalformedError("a bundle whose elements have impossible lengths")
        _read(data[index : index + size], found, depth + 1)
        index += size


def _message(data: bytes) -> Message:
    begin = (data.find(b"\0") // 4 + 1) * 4  # of the types, after the padding
    tags = data[begin : data.find(b"\0", begin)] if begin < len(data) else b""
    if tags and not _TAGS.issuperset(tags[1:]):
        if tags != b"," + _IMPULSE:
            raise MalformedError("a message with arguments of unknown types")
        data = data[:begin]
    try:
        message = OscMessage(data)
    except (MessageError, ValueError, OverflowError, OSError) as error:
        raise MalformedError("a message that is cut off, or not text") from error
    return message.address, tuple(message)
