"""What differs between CAP v1, v2, v3 and v4: all of it, as a table, and what an operation looks like in each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cap_strategies import VERSIONS, values
from hypothesis import given
from hypothesis import strategies as st

from ss7.asn1.schema import (
    ChoiceType,
    Component,
    ListType,
    NullType,
    OctetStringType,
    OneOfType,
    SequenceType,
    Type,
)
from ss7.cap.charging import CONTAINED, contained_type
from ss7.cap.codec import FAST, Codec
from ss7.cap.common import NaCarrierInformation, NaInfo, ServiceInteractionIndicatorsTwo
from ss7.cap.contexts import CONTEXTS
from ss7.cap.interaction import EstablishTemporaryConnectionArg, SpecializedResourceReportArg
from ss7.cap.operations import BY_NAME, BY_OPCODE, OPERATIONS, Opcode
from ss7.cap.reference import REFERENCE
from ss7.cap.roots import argument_type, result_type
from ss7.cap.types import ConnectArg
from ss7.errors import DecodeError, EncodeError

CODECS = [FAST, REFERENCE]
ETC, SRR = Opcode.ESTABLISH_TEMPORARY_CONNECTION, Opcode.SPECIALIZED_RESOURCE_REPORT

DIFFERENCES = """
initialDP.initialDPArgExtension  v1 v2  [0] naCarrierInformation, [1] gmscAddress
initialDP.initialDPArgExtension  v3 v4  [0] gmscAddress, [1] forwardingDestinationNumber, [2] ms-Classmark2, [3] iMEI,\
 [4] supportedCamelPhases, [5] offeredCamel4Functionalities, [6] bearerCapability2, [7] ext-basicServiceCode2,\
 [8] highLayerCompatibility2, [9] lowLayerCompatibility, [10] lowLayerCompatibility2,\
 [11] enhancedDialledServicesAllowed, [12] uu-Data, [13] collectInformationAllowed, [14] releaseCallArgExtensionAllowed
establishTemporaryConnection  v2  [7] serviceInteractionIndicatorsTwo, [50] na-info
establishTemporaryConnection  v3  [5] carrier, [6] serviceInteractionIndicatorsTwo, [50] naOliInfo, [51] chargeNumber
establishTemporaryConnection  v4  [5] carrier, [6] serviceInteractionIndicatorsTwo, [7] callSegmentID, [50] naOliInfo,\
 [51] chargeNumber, [52] originalCalledPartyID, [53] callingPartyNumber
connectToResource  v4  [50] callSegmentID
connect  v1 v2  [57] na-Info
connect  v3  [11] carrier, [15] serviceInteractionIndicatorsTwo, [19] chargeNumber, [31] cug-Interlock,\
 [32] cug-OutgoingAccess, [57] naOliInfo
connect  v4  [11] carrier, [15] serviceInteractionIndicatorsTwo, [19] chargeNumber, [21] legToBeConnected,\
 [31] cug-Interlock, [32] cug-OutgoingAccess, [57] naOliInfo, [58] bor-InterrogationRequested, [59] suppress-N-CSI
requestReportBCSMEvent.bcsmEvents.item  v4  [50] automaticRearm
resetTimer  v4  [3] callSegmentID
applyCharging  v4  [50] aChChargingAddress
playAnnouncement  v4  [5] callSegmentID, [51] requestAnnouncementStartedNotification
promptAndCollectUserInformation  v4  [4] callSegmentID, [51] requestAnnouncementStartedNotification
cancel  v4  [2] callSegmentToCancel
continueWithArgument  v4  [57] bor-InterrogationRequested, [58] suppress-O-CSI, [59] continueWithArgumentArgExtension
CAMEL-AChBillingChargingCharacteristics.timeDurationCharging  v1 v2  [1] releaseIfdurationExceeded (SEQUENCE)
CAMEL-AChBillingChargingCharacteristics.timeDurationCharging  v3  [1] releaseIfdurationExceeded, [3] tone, [4] extensions
CAMEL-AChBillingChargingCharacteristics.timeDurationCharging  v4  [1] releaseIfdurationExceeded, [3] audibleIndicator,\
 [4] extensions
CAMEL-CallResult.timeDurationChargingResult  v3  [4] extensions
CAMEL-CallResult.timeDurationChargingResult  v4  [4] extensions, [5] aChChargingAddress
CAMEL-FCIBillingChargingCharacteristics.fCIBCCCAMELsequence1  v3 v4  [2] appendFreeFormatData
CAMEL-SCIBillingChargingCharacteristics  v4  [2] aOC-extension
releaseCall  v1 v2 v3  OCTET STRING
releaseCall  v4  CHOICE
specializedResourceReport  v2 v3  NULL
specializedResourceReport  v4  CHOICE
"""
"""GSM 09.78 §6 (v1, v2), TS 29.078 R99 §6 (v3), Rel-16 §5.1, §6.1.1, §6.3.1 (v4): by path, what is not in all versions."""


def components(kind: Type) -> tuple[Component, ...]:
    if isinstance(kind, SequenceType):
        return kind.components
    return kind.alternatives if isinstance(kind, ChoiceType) else ()


def differences(name: str, kinds: dict[int, Type]) -> Iterator[str]:
    """Lines of `DIFFERENCES` for a type and those in it."""
    if not kinds:
        return
    named = {type(kind) for kind in kinds.values()}
    if len(named) > 1 or OneOfType in named:
        words = {OctetStringType: "OCTET STRING", NullType: "NULL"}
        yield from by_version(
            name, {version: words.get(type(kind), "CHOICE") for version, kind in kinds.items()}
        )
        return
    if named == {ListType}:
        elements = {
            version: kind.element.type for version, kind in kinds.items() if isinstance(kind, ListType)
        }
        yield from differences(f"{name}.item", elements)
        return
    everything = {
        version: {(c.identifier, c.tag): c for c in components(kind)} for version, kind in kinds.items()
    }
    common = set.intersection(*(set(each) for each in everything.values()))
    own = {version: [each[key] for key in each if key not in common] for version, each in everything.items()}
    shown = {
        version: ", ".join(described(c) for c in sorted(each, key=lambda c: c.number))
        for version, each in own.items()
    }
    yield from by_version(name, shown)
    for key in sorted(common, key=str):
        inner = {version: each[key].type for version, each in everything.items()}
        if len({id(kind) for kind in inner.values()}) > 1:
            yield from differences(f"{name}.{key[0]}", inner)


def described(component: Component) -> str:
    sequence = component.identifier == "releaseIfdurationExceeded" and isinstance(
        component.type, SequenceType
    )
    return f"[{component.number}] {component.identifier}" + " (SEQUENCE)" * sequence


def by_version(name: str, shown: dict[int, str]) -> Iterator[str]:
    for text in dict.fromkeys(shown.values()):
        if text:
            versions = " ".join(f"v{version}" for version, each in shown.items() if each == text)
            yield f"{name}  {versions}  {text}"


def test_the_table_has_all_that_differs() -> None:
    found: list[str] = []
    for operation in OPERATIONS:
        kinds = {v: argument_type(operation.opcode, v) for v in VERSIONS if v >= operation.since}
        found += differences(operation.name, {v: kind for v, kind in kinds.items() if kind is not None})
        results = {v: result_type(operation.opcode, v) for v in VERSIONS if v >= operation.since}
        found += differences(operation.name, {v: kind for v, kind in results.items() if kind is not None})
    for name in CONTAINED:
        found += differences(name, {v: contained_type(name, v) for v in VERSIONS})
    assert sorted(found) == sorted(line for line in DIFFERENCES.splitlines() if line)


@pytest.mark.parametrize("codec", CODECS)
def test_a_resource_report_is_a_null_before_cap_v4(codec: Codec) -> None:
    for version in (1, 2, 3):
        assert codec.decode_argument(SRR, bytes.fromhex("0500"), version) is True
        assert codec.encode_argument(SRR, True, version) == bytes.fromhex("0500")
        with pytest.raises(DecodeError):
            codec.decode_argument(SRR, bytes.fromhex("9f3200"), version)
    report = SpecializedResourceReportArg("allAnnouncementsComplete", True)
    assert codec.decode_argument(SRR, bytes.fromhex("9f3200"), 4) == report
    assert codec.encode_argument(SRR, report, 4) == bytes.fromhex("9f3200")
    for octets in ("0500", "050100", "2500", "", "05000500"):
        with pytest.raises(DecodeError):
            codec.decode_argument(SRR, bytes.fromhex(octets), 4)
        if octets != "0500":
            with pytest.raises(DecodeError):
                codec.decode_argument(SRR, bytes.fromhex(octets), 2)


@pytest.mark.parametrize("codec", CODECS)
def test_a_temporary_connection_is_numbered_by_version(codec: Codec) -> None:
    octets = bytes.fromhex("300c80050101011122a703820100")
    value = codec.decode_argument(ETC, octets, 2)
    assert value.assisting_ssp_ip_routing_address == bytes.fromhex("0101011122")
    assert value.service_interaction_indicators_two == ServiceInteractionIndicatorsTwo(
        bothway_through_connection_ind=0
    )
    assert value.call_segment_id is None
    assert codec.encode_argument(ETC, value, 2) == octets
    for version in (3, 4):
        assert codec.encode_argument(ETC, value, version) == octets.replace(b"\xa7\x03", b"\xa6\x03")
    with pytest.raises(DecodeError):  # [7] is an INTEGER there
        codec.decode_argument(ETC, octets, 4)
    assert (
        codec.decode_argument(ETC, octets, 3).service_interaction_indicators_two is None
    )  # [7] is not known
    segment = bytes.fromhex("300a80050101011122870103")
    assert codec.decode_argument(ETC, segment, 4).call_segment_id == 3
    with pytest.raises(EncodeError):
        codec.encode_argument(ETC, EstablishTemporaryConnectionArg(bytes(5), call_segment_id=3), 3)


@pytest.mark.parametrize("codec", CODECS)
def test_cap_v2_has_what_north_america_wants_in_one_parameter(codec: Codec) -> None:
    info = NaInfo(NaCarrierInformation(b"\x12\x34\x56", b"\x01"), b"\x02")
    connect = ConnectArg((bytes.fromhex("03100900112233"),), na_info=info)
    octets = codec.encode_argument(Opcode.CONNECT, connect, 2)
    assert bytes.fromhex("bf390d a0088003123456 810101 810102".replace(" ", "")) in octets
    assert codec.decode_argument(Opcode.CONNECT, octets, 2) == connect
    with pytest.raises(EncodeError):
        codec.encode_argument(Opcode.CONNECT, connect, 3)
    line = ConnectArg(connect.destination_routing_address, na_oli_info=b"\x02")
    octets = codec.encode_argument(Opcode.CONNECT, line, 3)
    assert octets.endswith(bytes.fromhex("9f390102"))
    with pytest.raises(EncodeError):
        codec.encode_argument(Opcode.CONNECT, line, 2)


@given(st.sampled_from([each for each in OPERATIONS if each.argument is not None]), st.data())
def test_what_one_version_writes_another_reads_alike_or_not_at_all(
    operation: Any, data: st.DataObject
) -> None:
    """Both codecs make the same of another version's octets, whatever that is."""
    older = data.draw(st.integers(1, 4))
    kind = argument_type(operation.opcode, older)
    assert kind is not None
    octets = FAST.encode_argument(operation.opcode, data.draw(values(kind)), older)
    for version in VERSIONS:
        outcomes = []
        for codec in CODECS:
            try:
                outcomes.append(codec.decode_argument(operation.opcode, octets, version))
            except DecodeError:
                outcomes.append("refused")
        assert outcomes[0] == outcomes[1]


def test_every_operation_has_a_type_and_every_context_a_version() -> None:
    without = {"disconnectForwardConnection", "continue", "activityTest", "continueSMS", "activityTestGPRS"}
    assert {each.name for each in OPERATIONS if argument_type(each.opcode, 4) is None} == without
    assert all(argument_type(BY_NAME[name].opcode, v) is None for name in without for v in VERSIONS)
    assert {context.version for context in CONTEXTS} == set(VERSIONS)
    assert len(BY_OPCODE) == 54
