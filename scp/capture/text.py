"""Messages as text: one line each, or a tree of all their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scp.capture.json_view import JsonDict

_TIME: Final = slice(11, 26)
_NAMED: Final = frozenset(
    {"fault", "m3ua", "m2ua", "m2pa", "mtp3", "sccp", "scmg", "smpp", "tcap", "components"}
    | {"operation", "octets"}
)
"""What is in every message, of whatever layer, and in no part of one."""
_OK: Final = "ESME_ROK"  # command_status of SMPP (§5.1.3)
_NUMBERS: Final = (
    "calledPartyNumber",
    "calledPartyBCDNumber",
    "callingPartyNumber",
    "destinationRoutingAddress",
)


def line(shown: JsonDict) -> str:
    """Return a message or fault in one line: frame, time, source and destination, ids, operations."""
    head = f"{shown.get('frame', ''):>7} {str(shown.get('time', ''))[_TIME]}"
    if "fault" in shown:
        fault = shown["fault"]
        return f"{head} ! {fault['layer']}: {fault['reason']} at octet {fault['offset']}{_cited(fault)}"
    return f"{head} {_route(shown)} {' '.join(_words(shown))}".rstrip()


def _route(shown: JsonDict) -> str:
    for layer in ("m3ua", "m2ua", "m2pa", "mtp3"):
        if "opc" in shown.get(layer, {}):
            return f"{shown[layer]['opc']} → {shown[layer]['dpc']}"
    return f"{shown['source']} → {shown['destination']}" if "source" in shown else ""


def _words(shown: JsonDict) -> Iterator[str]:
    if "smpp" in shown:
        yield from _smpp_words(shown["smpp"])
    elif "tcap" in shown:
        yield from _returned(shown)
        yield from _tcap_words(shown["tcap"])
        yield from map(component_words, shown.get("components", ()))
        yield from _assumed(shown)
    elif "scmg" in shown:
        yield f"SCMG {shown['scmg'].get('type') or _refused(shown['scmg'])}"
    elif "sccp" in shown:
        yield from _returned(shown)
        yield str(shown["sccp"].get("type") or f"SCCP {_refused(shown['sccp'])}")
        segmentation = shown["sccp"].get("segmentation")
        if segmentation:
            yield f"segment, {segmentation['remaining']} to come"
    elif managed := next((name for name in ("m3ua", "m2ua", "m2pa") if name in shown), ""):
        yield f"{managed.upper()} {shown[managed]['type']}"
    elif "operation" in shown:
        yield str(shown["operation"])
    elif "octets" in shown:
        yield "MTP3 user message"
    elif "components" in shown:
        yield from map(component_words, shown["components"])
        yield from _assumed(shown)
    else:  # a part of a message, by its name
        yield from (": ".join(filter(None, (name, flat_words(value)))) for name, value in shown.items())


def _returned(shown: JsonDict) -> Iterator[str]:
    cause = shown.get("sccp", {}).get("cause")
    if cause is not None:
        yield f"returned by SCCP ({cause}):"


def _smpp_words(pdu: JsonDict) -> Iterator[str]:
    yield f"{pdu['command']} {pdu['sequence']}"
    ends = [pdu[end] for end in ("source", "destination") if end in pdu]
    if ends:
        yield " → ".join(str(end.get("digits") or end.get("name", "")) for end in ends)
    receipt = pdu.get("receipt", {})
    yield from (str(word) for word in (receipt.get("id"), receipt.get("state"), pdu.get("id")) if word)
    if pdu.get("status", _OK) != _OK:
        yield str(pdu["status"])


def _assumed(shown: JsonDict) -> Iterator[str]:
    if "cap_version" in shown:
        yield f"(CAP v{shown['cap_version']} assumed: --cap-version)"


def _refused(error: JsonDict) -> str:
    return f"undecodable: {error['error']} at octet {error['offset']}{_cited(error)}"


def _cited(refusal: JsonDict) -> str:
    """Return the clause that octets break, in brackets; "" where none is broken, as in a cut file."""
    return f" ({refusal['clause']})" if refusal["clause"] else ""


def _tcap_words(message: JsonDict) -> Iterator[str]:
    if "error" in message:
        yield f"TCAP {_refused(message)}"
        return
    yield str(message.get("type") or message["dialogue"])  # a dialogue portion by itself has no type
    yield from (f"{name} {message[name]}" for name in ("otid", "dtid") if name in message)
    if "application_context_name" in message:
        yield str(message["application_context_name"]).partition("-gsm")[0]
    elif "application_context" in message:
        yield f"context {message['application_context']}"
    if "p_abort_cause" in message:
        yield str(message["p_abort_cause"])
    if message.get("result") == "reject-permanent":
        yield f"refused: {message['diagnostic']}"


def component_words(component: JsonDict) -> str:
    """Return a component's name and the numbers in it."""
    kind = component["type"]
    if kind == "invoke":
        argument = component.get("argument", {})
        faults = [f"undecodable: {_fault_words(fault)}" for fault in component.get("faults", ())]
        return " ".join((str(component["operation"]), *_details(argument), *faults))
    if kind == "returnError":
        return f"error {component.get('error', component['error_code'])}"
    if kind == "reject":
        return f"reject {component['problem']}"
    if kind == "malformed":
        return f"malformed component: {component['error']} at octet {component['offset']}"
    return f"result {component.get('operation', '')}".rstrip()


def _fault_words(fault: JsonDict) -> str:
    where = f"{fault['parameter']}: " if fault["parameter"] else ""
    return f"{where}{fault['error']} at octet {fault['offset']}"


def _details(argument: Any) -> Iterator[str]:
    if not isinstance(argument, dict):
        return
    if "error" in argument and "octets" in argument:
        yield f"undecodable: {argument['error']} at octet {argument['offset']}"
        return
    if "serviceKey" in argument:
        yield f"sk {argument['serviceKey']}"
    for name in _NUMBERS:
        number = argument.get(name)
        number = number[0] if isinstance(number, list) and number else number
        if isinstance(number, dict) and "digits" in number:
            yield f"{_SHORT.get(name, '')}{number['digits']}"
    if "cause" in argument and isinstance(argument["cause"], dict):
        yield f"cause {argument['cause'].get('value', '')}"
    elif "value" in argument:
        yield f"cause {argument['value']}"
    if "eventTypeBCSM" in argument:
        yield str(argument["eventTypeBCSM"])


_SHORT: Final = {"callingPartyNumber": "a ", "calledPartyNumber": "b ", "calledPartyBCDNumber": "b "}


def tree(shown: JsonDict) -> str:
    """Return all of a message: its line, then every layer with its fields below it."""
    layers = {
        name: value
        for name, value in shown.items()
        if name not in {"frame", "time", "source", "destination", "stream"}
    }
    if "fault" in layers:  # of a file that is cut there are neither clause nor octets to show
        layers["fault"] = {name: value for name, value in layers["fault"].items() if value != ""}
    head = line(shown)
    if "source" in shown:
        head += f"\n{'':7} {shown['source']} → {shown['destination']}"
        head += f", stream {shown['stream']}" if "stream" in shown else ""
    head_lines = [] if shown.keys().isdisjoint(_NAMED) else [head]  # a part has no more than what is below
    return "\n".join((*head_lines, *_branches(layers, "        ")))


def _branches(value: Any, indent: str) -> Iterator[str]:
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value, 1))
    for number, (name, item) in enumerate(items, 1):
        last = number == len(items)
        stem, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
        if isinstance(item, (dict, list)) and item:
            flat = flat_words(item)
            if flat:
                yield f"{indent}{stem}{name}: {flat}"
                continue
            yield f"{indent}{stem}{name}"
            yield from _branches(item, indent + below)
        else:
            yield f"{indent}{stem}{name}: {_leaf(item)}"


def flat_words(value: Any) -> str:
    """Return a small object in one line, "" for one that needs more."""
    if not isinstance(value, dict) or any(isinstance(item, (dict, list)) for item in value.values()):
        return ""
    words = ", ".join(f"{name} {_leaf(item)}" for name, item in value.items())
    return words if len(words) <= 100 else ""


def _leaf(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in ({}, [], None, "") else str(value)
