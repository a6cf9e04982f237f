"""The other programs and machines that get the picture, as the options ask for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from livedream.show.output_options import OutputOptions
from livedream.sinks.addresses import public_url
from livedream.sinks.ndi import Ndi
from livedream.sinks.push import Push
from livedream.sinks.sending import Device, Sender
from livedream.sinks.spout import Spout
from livedream.sinks.syphon import Syphon
from livedream.sinks.virtual_camera import VirtualCamera


def open_senders(options: OutputOptions) -> list[Sender]:
    """A sender for each. What cannot be opened says so, and is tried again: none stops the show."""
    wanted: list[tuple[str, Callable[[int, int], Device]]] = []
    if options.virtual_camera is not None:
        wanted.append(("virtual camera", partial(VirtualCamera, options.virtual_camera)))
    if options.ndi is not None:
        wanted.append(("NDI", partial(Ndi, options.ndi)))
    if options.spout is not None:
        wanted.append(("Spout", partial(Spout, options.spout)))
    if options.syphon is not None:
        wanted.append(("Syphon", partial(Syphon, options.syphon)))
    for url in options.push:
        wanted.append((f"push to {public_url(url)}", partial(Push, url, options.encoding)))
    return [Sender(name, open, options.size) for name, open in wanted]
