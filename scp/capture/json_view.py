"""Messages as JSON: what ``decode --json`` prints, and what trees, lines and reports are made of."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from scp.capture.cap_version import VERSIONS, protocol_of_begin, subsystem, version_by_subsystems
from scp.capture.octet_tree import octet_tree, tcap_tree
from scp.capture.smpp_view import smpp_json
from scp.capture.tcap_view import error_json, tcap_json
from scp.capture.wire.values import ADAPTATION_NAMES
from ss7.errors import DecodeError
from ss7.m3ua_parameters import PARAMETERS
from ss7.pointcode import format_point_code
from ss7.scmg import Management

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.capture.wire.messages import Message
    from scp.capture.wire.values import Fault, Way
    from ss7 import m3ua
    from ss7.sccp import UnitData, UnitDataService

JsonDict: TypeAlias = dict[str, Any]

NETWORK_INDICATORS: Final = ("international", "spare", "national", "reserved")
_MANAGEMENT: Final = 1


def at(time: float) -> str:
    """Return a capture's time as people and JSON have it, in UTC with microseconds."""
    try:
        return datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds")
    except (OverflowError, ValueError, OSError):
        return f"{time:.6f}"


def host(address: bytes) -> str:
    """Return an IP address; "" for none."""
    return str(ipaddress.ip_address(address)) if len(address) in {4, 16} else ""


def socket(address: bytes, port: int) -> str:
    """Return address and port."""
    text = host(address)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}" if port >= 0 else text


def way_json(way: Way) -> JsonDict:
    """Return the two sockets of a message; nothing for a capture without IP."""
    if way.source_port < 0 and not way.source:
        return {}
    return {
        "source": socket(way.source, way.source_port),
        "destination": socket(way.destination, way.destination_port),
    }


def message_json(message: Message, version: int = 0, among: Sequence[int] = VERSIONS) -> JsonDict:
    """Return a message of a capture with every layer that it has.

    Args:
        message: what was read.
        version: CAP version of its dialogue, for a message without a context of its own; 0: unknown.
        among: CAP versions that its dialogue can have, if its version is unknown.
    """
    signal = message.signal
    shown: JsonDict = {"frame": signal.frame, "time": at(signal.time), **way_json(signal.way)}
    if signal.stream >= 0:
        shown["stream"] = signal.stream
    name = ADAPTATION_NAMES[signal.adaptation]
    if message.smpp is not None:
        shown[name] = smpp_json(message.smpp)
    if message.management is not None:
        shown["m3ua"] = management_json(message.management)
    elif message.data is not None and name != "sccp":
        shown[name] = data_json(message.data)
    if message.unit is not None:
        shown["sccp"] = message.unit.as_dict()
    if message.tcap and message.unit is not None:
        shown |= user_json(message.tcap, message.unit, version, among)
    return shown


def octets_json(message: Message, version: int = 0) -> JsonDict:
    """Return a message's octets, and which of them are which field (`scp.capture.octet_tree`).

    They are TCAP's where it came in several messages, or in another layer than M3UA; else that layer's.
    """
    version = version or (protocol_of_begin(message.tcap) if message.tcap else 0)
    of_m3ua = ADAPTATION_NAMES[message.signal.adaptation] == "m3ua"
    if message.tcap and not (of_m3ua and message.segments == 1):
        return {"octets": message.tcap.hex(), "parts": tcap_tree(message.tcap, version)}
    octets = message.signal.octets
    return {"octets": octets.hex(), "parts": octet_tree(octets, version) if of_m3ua else []}


def data_json(data: m3ua.Data) -> JsonDict:
    """Return the routing label of an MTP3 user message."""
    shown: JsonDict = {
        "type": "DATA",
        "opc": format_point_code(data.opc),
        "dpc": format_point_code(data.dpc),
        "si": data.si,
        "ni": NETWORK_INDICATORS[data.ni] if 0 <= data.ni < 4 else data.ni,
        "mp": data.mp,
        "sls": data.sls,
    }
    optional = {
        "routing_context": data.routing_context,
        "network_appearance": data.network_appearance,
        "correlation_id": data.correlation_id,
    }
    return shown | {name: value for name, value in optional.items() if value >= 0}


def management_json(message: m3ua.Message) -> JsonDict:
    """Return an M3UA message that is no DATA: its name and its parameters by theirs."""
    shown: JsonDict = {"type": message.name}
    for tag, value in message.params.items():
        shown[PARAMETERS[tag].name.lower().replace(" ", "_")] = _plain(value)
    return shown


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def user_json(
    octets: bytes, unit: UnitData | UnitDataService, version: int, among: Sequence[int] = VERSIONS
) -> JsonDict:
    """Return what an SCCP message carries: SCCP management, or TCAP; see `tcap_json`."""
    if subsystem(unit, called=True) == _MANAGEMENT:
        try:
            return {"scmg": Management.decode(octets).as_dict()}
        except DecodeError as error:
            return {"scmg": error_json(error, octets)}
    return tcap_json(octets, version, version_by_subsystems(unit), among)


def fault_json(fault: Fault) -> JsonDict:
    """Return a fault of a capture."""
    return {
        "frame": fault.frame,
        "time": at(fault.time),
        "fault": {
            "layer": fault.layer,
            "reason": fault.reason,
            "offset": fault.offset,
            "clause": fault.clause,
            "octets": fault.octets.hex(),
        },
    }
