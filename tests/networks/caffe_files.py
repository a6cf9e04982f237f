"""Writes ``.caffemodel`` files, as Caffe did until 2015 and since, to test the reader with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

Array = np.ndarray


def varint(value: int) -> bytes:
    value &= 2**64 - 1  # a negative number takes ten bytes
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def blob(array: Array, *, old_shape: bool = False, packed: bool = True, shape: Iterable[int] = ()) -> bytes:
    """A BlobProto; float64 arrays become ``double_data``; ``shape`` may claim another than the array's."""
    sizes = list(shape) or list(array.shape)
    if old_shape:
        sizes = [1] * (4 - len(sizes)) + sizes
        head = b"".join(number(field, size) for field, size in enumerate(sizes, 1))
    elif packed:
        head = message(7, message(1, b"".join(varint(size) for size in sizes)))
    else:
        head = message(7, b"".join(number(1, size) for size in sizes))
    field, wire, kind = (8, 1, "<f8") if array.dtype == np.float64 else (5, 5, "<f4")
    if packed:
        return head + message(field, array.astype(kind).tobytes())
    return head + b"".join(varint(field << 3 | wire) + x.tobytes() for x in array.astype(kind).ravel())


def layer(name: str, blobs: Iterable[bytes], *, old: bool) -> bytes:
    """A layer as a field of a NetParameter, with some of what else Caffe writes."""
    if old:
        content = message(2, b"data") + message(3, name.encode()) + message(4, name.encode()) + number(5, 4)
        content += b"".join(message(6, content) for content in blobs)
        return message(2, content + varint(7 << 3 | 5) + np.float32(1).tobytes())
    content = message(1, name.encode()) + message(2, b"Convolution") + message(3, b"data")
    return message(100, content + b"".join(message(7, content) for content in blobs))


def caffemodel(tensors: Mapping[str, Array], *, old: bool) -> bytes:
    """A whole file from ``<layer>/weight`` and ``<layer>/bias``; ``old``: V1 layers and shapes of four."""
    names = list(dict.fromkeys(key.rpartition("/")[0] for key in tensors))
    content = message(1, b"a network")
    content += layer("data", [], old=old)
    for name in names:
        arrays = [tensors[f"{name}/{kind}"] for kind in ("weight", "bias") if f"{name}/{kind}" in tensors]
        content += layer(name, [blob(array, old_shape=old) for array in arrays], old=old)
    return content
