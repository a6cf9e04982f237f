"""Reads the weights of a Caffe model (``.caffemodel``) without Caffe and without protobuf.

A ``.caffemodel`` is one protobuf message, the ``NetParameter`` of ``caffe.proto`` (BVLC/caffe), in the wire
format of https://protobuf.dev/programming-guides/encoding. Only the fields that hold weights are read,
everything else is stepped over::

    NetParameter      2 layers: V1LayerParameter (the older)    100 layer: LayerParameter
    V1LayerParameter  4 name, 6 blobs
    LayerParameter    1 name, 7 blobs
    BlobProto         5 data (float), 8 double_data, 7 shape: BlobShape
                      1 num, 2 channels, 3 height, 4 width: the shape in older files
    BlobShape         1 dim

The file is mapped, not loaded, and what is taken of memory never depends on a number in the file: a length
that points past the end of what holds it is refused, and messages are read four deep at most.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

# Wire types. Groups (3 and 4) are older than Caffe; no other is defined.
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5

#: The field of a NetParameter that is a layer -> the layer's fields of its name and its blobs
_LAYERS = {2: (4, 6), 100: (1, 7)}

_DATA, _SHAPE, _DOUBLE_DATA = 5, 7, 8
_OLD_SHAPE = (1, 2, 3, 4)

# Far above any network, and few enough that small objects cannot fill the memory. Caffe allows 32 axes.
_MOST_LAYERS, _MOST_BLOBS, _MOST_AXES, _LONGEST_NAME = 10_000, 16, 32, 500


def read_caffe(path: Path) -> dict[str, Tensor]:
    """The weights of every layer that has any: fp32, as ``<layer>/weight`` and ``<layer>/bias``.

    Further tensors of a layer (a batch norm has three) are ``<layer>/2`` and so on. Older files give every
    shape four numbers, so that a bias is (1, 1, 1, C). Raises ``ValueError`` for a file that is cut,
    damaged or of another kind.
    """
    with path.open("rb") as file:
        whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    tensors: dict[str, Tensor] = {}
    layers = 0
    for number, value in _fields(whole):
        if number not in _LAYERS:
            continue
        layers += 1
        if layers > _MOST_LAYERS:
            raise ValueError(f"it has more than {_MOST_LAYERS} layers")
        name, blobs = _layer(_message(value), *_LAYERS[number])
        for index, blob in enumerate(blobs):
            key = f"{name}/{('weight', 'bias')[index] if index < 2 else index}"
            if key in tensors:
                raise ValueError(f"it has two layers with weights called {name!r}")
            try:
                tensors[key] = _tensor(blob)
            except ValueError as error:
                raise ValueError(f"{key!r}: {error}") from None
    if not tensors:
        raise ValueError("it has no layer with weights")
    return tensors


def _layer(message: memoryview, name_field: int, blobs_field: int) -> tuple[str, list[memoryview]]:
    name, blobs = "", []
    for number, value in _fields(message):
        if number == name_field:
            text = _message(value)
            if len(text) > _LONGEST_NAME:
                raise ValueError(f"a layer's name has {len(text)} bytes")
            name = bytes(text).decode(errors="backslashreplace")
        elif number == blobs_field:
            blobs.append(_message(value))
            if len(blobs) > _MOST_BLOBS:
                raise ValueError(f"a layer has more than {_MOST_BLOBS} tensors")
    return name, blobs


def _tensor(blob: memoryview) -> Tensor:
    old_shape: dict[int, int] = {}
    shape: list[int] | None = None
    singles, doubles = bytearray(), bytearray()
    for number, value in _fields(blob):
        if number in _OLD_SHAPE:
            old_shape[number] = _integer(value)
        elif number == _SHAPE:
            shape = _dimensions(_message(value))
        # Each packed, or one number at a time: a reader has to take both, and both are the same bytes.
        elif number == _DATA:
            singles += _message(value)
        elif number == _DOUBLE_DATA:
            doubles += _message(value)
    if shape is None:
        shape = [old_shape.get(number, 0) for number in _OLD_SHAPE]
    data, kind = (doubles, "<f8") if doubles else (singles, "<f4")
    if len(data) % np.dtype(kind).itemsize or math.prod(shape) * np.dtype(kind).itemsize != len(data):
        raise ValueError(f"shape {tuple(shape)} does not fit its {len(data)} bytes of numbers")
    if not data:
        raise ValueError("it holds no numbers")
    numbers = np.frombuffer(data, kind).astype(np.float32, copy=False)
    return torch.from_numpy(numbers).reshape(shape)


def _dimensions(message: memoryview) -> list[int]:
    """The sizes in a BlobShape: packed, or one at a time."""
    sizes: list[int] = []
    for number, value in _fields(message):
        if number != 1:
            continue
        if isinstance(value, int):
            sizes.append(value)
        else:
            position = 0
            while position < len(value) and len(sizes) <= _MOST_AXES:
                size, position = _varint(value, position)
                sizes.append(size)
        if len(sizes) > _MOST_AXES:
            raise ValueError(f"it has more than {_MOST_AXES} axes")
    return sizes


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message in their order: the number of each, and its integer or its bytes."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            integer, position = _varint(message, position)
            yield number, integer
            continue
        if wire == _LENGTH:
            length, position = _varint(message, position)
        elif wire in (_FOUR_BYTES, _EIGHT_BYTES):
            length = 4 if wire == _FOUR_BYTES else 8
        else:
            raise ValueError(f"field {number} is of the unknown kind {wire}")
        if length > len(message) - position:
            raise ValueError(
                f"field {number} says that it has {length} bytes, and {len(message) - position} follow"
            )
        yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The integer at a position, seven bits a byte, lowest first, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("it ends inside a number")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number in it has no end")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number is where a message should be")
    return value


def _integer(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise ValueError("a message is where a number should be")
    return value
