"""Values of MAP types whose octet strings mean something: numbers, IMSIs, cells, messages, as a network sends them."""

from __future__ import annotations

from random import Random
from typing import Any

from ss7.address import AddressString, CellGlobalId, Imsi
from ss7.asn1 import schema
from ss7.map.common import ExternalSignalInfo, ProtocolId
from ss7.sms.alphabet import pack

NUMBER = AddressString("46701234567").encode()
DELIVER = bytes.fromhex("040b916407214365f7000062111021000000") + b"\x05" + pack(b"Hello")
CONTENTS: dict[str, bytes] = {
    "AddressString": NUMBER,
    "IMSI": Imsi("240011234567890").encode(),
    "IMEI": bytes.fromhex("5321436587092143"),
    "ShortMessage": DELIVER,
    "USSDString": pack(b"*100#\x0d"),
    "CellGlobalId": CellGlobalId("240", "01", 100, 200).encode(),
    "CellOrLocationAreaId": CellGlobalId("240", "01", 100, 200).encode(),
    "LocationAreaId": bytes.fromhex("42f0100064"),
    "RoutingAreaId": bytes.fromhex("42f010006401"),
    "TrackingAreaId": bytes.fromhex("42f0100064"),
    "EutranCellGlobalId": bytes.fromhex("42f01000012345"),
    "GeographicalInformation": bytes.fromhex("1053a1b20a1b2c05"),
    "GeodeticInformation": bytes.fromhex("001053a1b20a1b2c0500"),
    "LocationNumber": bytes.fromhex("83136407214305"),
    "CalledPartyNumber": bytes.fromhex("83106407214365"),
    "DiameterIdentity": b"mme.example.org",
    "Uri": b"sip:carol@ims.example",
    "SMEA": bytes.fromhex("0b916407214365f7"),
    "MM-Code": b"\x02",
    "Cause": b"\x80\x90",
}
NAMED: dict[str, Any] = {
    "ext-BearerService": b"\x10",
    "ext-Teleservice": b"\x11",
    "gsm-BearerCapability": ExternalSignalInfo(ProtocolId.GSM_0408, bytes.fromhex("040160")),
    "networkSignalInfo": ExternalSignalInfo(ProtocolId.ETS_300102_1, bytes.fromhex("04038090a3")),
    "networkSignalInfo2": ExternalSignalInfo(ProtocolId.ETS_300102_1, bytes.fromhex("04038090a3")),
}
"""Components whose octets have a form that no name in the declarations tells."""


def sample(kind: schema.Type, random: Random, density: float) -> Any:
    """Return a value of a described type; each optional component is there with the chance ``density``."""
    if isinstance(kind, schema.OctetStringType):
        return octets(kind, random)
    if isinstance(kind, schema.TextType):
        return "text"[: kind.high].ljust(kind.low, "x")
    if isinstance(kind, schema.BitStringType):
        first = random.choice((b"\0", b"\x80")) if kind.low else b""  # later bits may be reserved ones
        return bytes((-kind.low % 8,)) + first.ljust((kind.low + 7) // 8, b"\0")
    if isinstance(kind, schema.IntegerType):
        return random.randint(kind.low, min(kind.high, kind.low + 100))
    if isinstance(kind, schema.EnumeratedType):
        return random.choice(list(kind.cls))
    if isinstance(kind, schema.ObjectIdentifierType):
        return b"\x2a\x03\x04"
    if isinstance(kind, schema.BooleanType):
        return random.random() < 0.5
    if isinstance(kind, schema.NullType):
        return True
    if isinstance(kind, schema.OpaqueType):
        return b""
    if isinstance(kind, schema.SequenceType):
        return _sequence(kind, random, density)
    if isinstance(kind, schema.ListType):
        count = random.randint(kind.low, min(kind.high, kind.low + 2))
        return tuple(sample(kind.element.type, random, density) for _ in range(count))
    if isinstance(kind, schema.ChoiceType):
        chosen = random.choice(kind.alternatives)
        if chosen.identifier in NAMED:
            return kind.cls(chosen.identifier, NAMED[chosen.identifier])
        return kind.cls(chosen.identifier, sample(chosen.type, random, density))
    assert isinstance(kind, schema.OneOfType), kind
    return sample(random.choice(kind.alternatives)[1].type, random, density)


def octets(kind: schema.OctetStringType, random: Random) -> bytes:
    known = CONTENTS.get(kind.contains)
    if known is not None and kind.low <= len(known) <= kind.high:
        return known
    return random.randbytes(random.randint(kind.low, min(kind.high, kind.low + 6)))


def _sequence(kind: schema.SequenceType, random: Random, density: float) -> Any:
    slots: dict[int, Any] = {absent.slot: absent.default for absent in kind.absent}
    for component in kind.components:
        opaque = isinstance(
            component.type, schema.OpaqueType
        )  # a manufacturer's extension: nobody else reads it
        there = component.mandatory or (random.random() < density and not opaque)
        slots[component.slot] = component.default
        if there:
            known = NAMED.get(component.identifier)
            slots[component.slot] = known or sample(component.type, random, density)
    return kind.cls(*(slots[slot] for slot in sorted(slots)))
