"""Data types that several MAP operations share (TS 29.002 §17.7.8), beside those that CAP has from MAP."""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, ClassVar, Final, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import Bits, Choice, Enumerated, Integer, Octets, Sealed, Tag, Untagged
from ss7.cap.common import IMSI, AddressString
from ss7.cap.location import ExtensionContainer

CLAUSE: Final = "TS 29.002 §17.7"
"""Where MAP's data types are."""

LongAddressString: TypeAlias = Annotated[bytes, Octets(1, 20, "AddressString")]
"""AddressString: a service centre's may be longer than a subscriber's."""
DiameterIdentity: TypeAlias = Annotated[bytes, Octets(9, 255, "DiameterIdentity")]
IsdnSubaddress: TypeAlias = Annotated[bytes, Octets(1, 21)]
LMSI: TypeAlias = Annotated[bytes, Octets(4, 4)]
Octet: TypeAlias = Annotated[bytes, Octets(1, 1)]
Time: TypeAlias = Annotated[bytes, Octets(4, 4)]
SupportedCamelPhases: TypeAlias = Annotated[bytes, Bits(1, 16)]
OfferedCamel4CSIs: TypeAlias = Annotated[bytes, Bits(7, 16)]
ServiceKey: TypeAlias = Annotated[int, Integer(0, 2147483647)]
Priority: TypeAlias = Annotated[int, Integer(0, 15)]


class SubscriberIdentity(Choice, frozen=True, gc=False):
    """A subscriber, by IMSI or by MSISDN."""

    imsi: ClassVar[Annotated[IMSI, Tag(0, "imsi")]]
    msisdn: ClassVar[Annotated[AddressString, Tag(1, "msisdn")]]


class NetworkNodeDiameterAddress(Sealed, frozen=True, gc=False):
    """A node by its names in Diameter."""

    diameter_name: Annotated[DiameterIdentity, Tag(0, "diameter-Name")]
    diameter_realm: Annotated[DiameterIdentity, Tag(1, "diameter-Realm")]


class CorrelationID(Sealed, frozen=True, gc=False):
    """What a short message without MSISDN is told by (TS 23.204)."""

    asn1_order: ClassVar[tuple[str, ...]] = ("hlr_id", "sip_uri_a", "sip_uri_b")

    sip_uri_b: Annotated[Annotated[bytes, Octets(0, 4096, "Uri")], Tag(2, "sip-uri-B")]
    hlr_id: Annotated[Annotated[bytes, Octets(3, 8, "IMSI")] | None, Tag(0, "hlr-id")] = None
    sip_uri_a: Annotated[Annotated[bytes, Octets(0, 4096, "Uri")] | None, Tag(1, "sip-uri-A")] = None


class ProtocolId(Enumerated):
    """Protocol of an `ExternalSignalInfo`."""

    GSM_0408 = 1, "gsm-0408"
    GSM_0806 = 2, "gsm-0806"
    GSM_BSSMAP = 3, "gsm-BSSMAP"
    ETS_300102_1 = 4, "ets-300102-1"


class ExtProtocolId(Enumerated):
    """Protocol of an `ExtExternalSignalInfo`."""

    ETS_300356 = 1, "ets-300356"


class ExternalSignalInfo(Struct, frozen=True, gc=False):
    """Information elements of another protocol."""

    protocol_id: Annotated[ProtocolId, Untagged("protocolId")]
    signal_info: Annotated[Annotated[bytes, Octets(1, 200)], Untagged("signalInfo")]
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer", since=3)] = None


class ExtExternalSignalInfo(Struct, frozen=True, gc=False):
    """Information elements of a further protocol."""

    ext_protocol_id: Annotated[ExtProtocolId | int, Untagged("ext-ProtocolId")]
    signal_info: Annotated[Annotated[bytes, Octets(1, 200)], Untagged("signalInfo")]
    extension_container: Annotated[ExtensionContainer | None, Untagged("extensionContainer")] = None


class ModificationInstruction(Enumerated):
    """Whether to switch something on."""

    DEACTIVATE = 0, "deactivate"
    ACTIVATE = 1, "activate"


class NumberPortabilityStatus(Enumerated):
    """Whether the number belongs to the network that it seems to."""

    NOT_KNOWN_TO_BE_PORTED = 0, "notKnownToBePorted"
    OWN_NUMBER_PORTED_OUT = 1, "ownNumberPortedOut"
    FOREIGN_NUMBER_PORTED_TO_FOREIGN_NETWORK = 2, "foreignNumberPortedToForeignNetwork"
    OWN_NUMBER_NOT_PORTED_OUT = 4, "ownNumberNotPortedOut"
    FOREIGN_NUMBER_PORTED_IN = 5, "foreignNumberPortedIn"
