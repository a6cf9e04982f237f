"""OSCQuery: the addresses as a tree in JSON, so that other programs find them with their types and ranges.

See the Vidvox OSCQueryProposal. Answers are made from the list of addresses; nothing is kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from livedream.controls.desk import View
from livedream.controls.osc_addresses import ROOT, SCENE, Address, addresses, values_of

_READ_WRITE, _WRITE = 3, 2
#: The attributes of a node, besides what is in it.
ATTRIBUTES = ("FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "VALUE", "RANGE", "DESCRIPTION")
HOST_INFO = "HOST_INFO"


def host_info(host: str, port: int) -> dict[str, Any]:
    """Who answers, and where OSC is heard; ``host`` is empty for the address that was asked."""
    known = dict.fromkeys(("TYPE", "ACCESS", "VALUE", "RANGE", "DESCRIPTION"), True)
    info = {"NAME": "livedream", "OSC_PORT": port, "OSC_TRANSPORT": "UDP", "EXTENSIONS": known}
    return info | ({"OSC_IP": host} if host else {})


def node(view: View, path: str) -> dict[str, Any] | None:
    """The node at ``path`` with all that is below it, None where nothing is."""
    root, wanted = _container("/"), "/".join(("", *filter(None, path.split("/")), ""))
    for address in addresses(view):
        if not f"{address.path}/".startswith(wanted):
            continue
        at = root
        for name in address.path.strip("/").split("/"):
            at = at["CONTENTS"].setdefault(name, _container(f"{at['FULL_PATH'].rstrip('/')}/{name}"))
        at.update(_method(address, view))
    found: dict[str, Any] | None = root
    for name in filter(None, path.split("/")):
        found = None if found is None else found["CONTENTS"].get(name)
    return None if found is None else _trimmed(found)


def oscquery(view: View, path: str, query: str, osc: tuple[str, int]) -> tuple[int, dict[str, Any] | None]:
    """The HTTP status and the JSON for ``GET path?query``: a node, or one attribute of it.

    ``osc`` is (host, port) of OSC; the host is empty for the one that was asked.
    """
    if query == HOST_INFO:
        return 200, host_info(*osc)
    found = node(view, path)
    if found is None:
        return 404, None
    if not query:
        return 200, found
    if query not in ATTRIBUTES:
        return 400, None
    return (200, {query: found[query]}) if query in found else (204, None)


def _container(path: str) -> dict[str, Any]:
    return {"FULL_PATH": path, "ACCESS": 0, "CONTENTS": {}}


def _method(address: Address, view: View) -> dict[str, Any]:
    made: dict[str, Any] = {
        "TYPE": address.types or "N",
        "DESCRIPTION": f"{address.help} ({address.possible})",
        "ACCESS": _WRITE,
    }
    if address.choices:
        made["RANGE"] = [{"VALS": list(address.choices)}]
    elif address.low is not None:
        ends = {"MIN": address.low, "MAX": address.high}
        if address.types == "i":
            ends = {name: int(end or 0) for name, end in ends.items()}
        made["RANGE"] = [ends]
    value = _value(address, view)
    if value is not None:
        made |= {"ACCESS": _READ_WRITE, "VALUE": [bool(value) if address.types == "T" else value]}
    return made


def _value(address: Address, view: View) -> Any:
    if address.path == f"{ROOT}/{SCENE}":
        return view.scene
    if not address.setting:
        return None
    values: Mapping[str, Any] = values_of(address.setting, view.settings, view.lists, view.scene)
    return values.get(address.path)


def _trimmed(found: dict[str, Any]) -> dict[str, Any]:
    """``found`` without the empty contents of its leaves."""
    contents = {name: _trimmed(inner) for name, inner in found["CONTENTS"].items()}
    rest = {name: value for name, value in found.items() if name != "CONTENTS"}
    return rest | ({"CONTENTS": contents} if contents else {})
