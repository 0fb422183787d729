"""What the simulated HLR knows and does: subscribers with their places, delays, errors; and its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from ss7.address import AddressString, CellGlobalId, Imsi
from ss7.cap.common import NotReachableReason, SubscriberState
from ss7.cap.location import CellGlobalIdOrServiceAreaIdOrLAI, LocationInformation
from ss7.map.common import SubscriberIdentity
from ss7.map.errors import (
    AbsentSubscriber,
    AbsentSubscriberReason,
    AbsentSubscriberSM,
    ErrorCode,
    NetworkResource,
    SMDeliveryFailure,
    SMDeliveryFailureCause,
    SystemFailure,
)
from ss7.map.location import NoteMMEventArg, SubscriberInfo, SubscriberInfoRes
from ss7.map.messages import (
    LocationInfo,
    LocationInfoWithLMSI,
    LocationInfoWithLMSIV2,
    RoutingInfoForSMRes,
    RoutingInfoForSMResV2,
)
from ss7.map.operations import Opcode
from ss7.map.routing import ExtendedRoutingInfo, RoutingInfo, SendRoutingInfoRes, SendRoutingInfoResV2
from ss7.map.subscription import AnyTimeModificationRes

if TYPE_CHECKING:
    from collections.abc import Iterable

_PARAMETERS: Final[dict[int, Any]] = {
    ErrorCode.ABSENT_SUBSCRIBER_SM: AbsentSubscriberSM(diagnostic=1),
    ErrorCode.ABSENT_SUBSCRIBER: AbsentSubscriber(reason=AbsentSubscriberReason.IMSI_DETACH),
    ErrorCode.SM_DELIVERY_FAILURE: SMDeliveryFailure(SMDeliveryFailureCause.MEMORY_CAPACITY_EXCEEDED),
    ErrorCode.SYSTEM_FAILURE: SystemFailure("networkResource", NetworkResource.HLR),
}
"""Parameters that errors of MAP v3 come with."""
_SINCE: Final = 3


class Subscriber(Struct, kw_only=True):
    """One subscriber.

    Attributes:
        msisdn: E.164 digits.
        imsi: digits.
        vlr: E.164 digits of the VLR number; "": the HLR knows none.
        cell: MCC-MNC-LAC-CI; "": not known.
        age: of the place, minutes.
        detached: whether the network can't reach the phone.
        busy: whether a call is on.
        error: MAP error that every question gets; -1: none.
        delivery_error: MAP error that mt-ForwardSM gets, before v3 forwardSM; -1: none.
        delay: seconds until the answer; negative: the script's.
        silent: whether it never comes.
        service_key: of the M-CSI.
        parameter: of these errors, as decoded; None: the usual one.
    """

    msisdn: str
    imsi: str = "240011234567890"
    vlr: str = ""
    cell: str = ""
    age: int = 0
    detached: bool = False
    busy: bool = False
    error: int = -1
    delivery_error: int = -1
    delay: float = -1.0
    silent: bool = False
    service_key: int = 100
    parameter: Any = None


class Script(Struct, kw_only=True):
    """What the HLR knows and does.

    Attributes:
        subscribers: by MSISDN.
        delay: seconds until an answer.
        silent: whether nothing is answered.
        versions: MAP versions that it knows; other contexts are refused.
        accepts_first: answer in TC-CONTINUE and leave the end of the dialogue to the asker.
    """

    subscribers: dict[str, Subscriber] = field(default_factory=dict)
    delay: float = 0.0
    silent: bool = False
    versions: tuple[int, ...] = (1, 2, 3)
    accepts_first: bool = False

    def add(self, subscribers: Iterable[Subscriber]) -> None:
        """Know these from now on."""
        for each in subscribers:
            self.subscribers[each.msisdn] = each

    def find(self, argument: Any) -> Subscriber | None:
        """Return whom an argument is about, None if it is nobody that is known."""
        identity = getattr(argument, "subscriber_identity", None)
        octets = getattr(argument, "msisdn", None)
        if isinstance(identity, SubscriberIdentity):
            if identity.name == "imsi":
                return self._by_imsi(identity.value)
            octets = identity.value
        if octets is not None:
            return self.subscribers.get(AddressString.decode(octets).digits)
        receiver = getattr(argument, "sm_rp_da", None)
        if receiver is not None and receiver.name == "imsi":
            return self._by_imsi(receiver.value)
        imsi = getattr(argument, "imsi", None)
        return None if imsi is None else self._by_imsi(imsi)

    def _by_imsi(self, octets: bytes) -> Subscriber | None:
        digits = Imsi.decode(octets).digits
        return next((each for each in self.subscribers.values() if each.imsi == digits), None)


_FORWARDS = frozenset({Opcode.MT_FORWARD_SM, Opcode.MO_FORWARD_SM})  # before MAP v3 one is both


def location_of(subscriber: Subscriber) -> LocationInformation:
    """Return a subscriber's place."""
    area = None
    if subscriber.cell:
        mcc, mnc, lac, cell = subscriber.cell.split("-")
        area = CellGlobalIdOrServiceAreaIdOrLAI(
            "cellGlobalIdOrServiceAreaIdFixedLength",
            CellGlobalId(mcc, mnc, int(lac), int(cell)).encode(),
        )
    number = AddressString(subscriber.vlr).encode() if subscriber.vlr else None
    return LocationInformation(
        age_of_location_information=subscriber.age,
        vlr_number=number,
        cell_global_id_or_service_area_id_or_lai=area,
    )


def info_of(subscriber: Subscriber) -> SubscriberInfo:
    """Return a subscriber's place and state."""
    if subscriber.detached:
        state = SubscriberState("netDetNotReachable", NotReachableReason.IMSI_DETACHED)
    else:
        state = SubscriberState("camelBusy" if subscriber.busy else "assumedIdle", True)
    known = subscriber.vlr or subscriber.cell
    return SubscriberInfo(location_of(subscriber) if known else None, state)


def result_of(opcode: int, argument: Any, subscriber: Subscriber | None, version: int) -> tuple[int, Any]:
    """Return the error code and parameter that a question gets, or -1 and the result."""
    del argument
    if subscriber is None:
        return ErrorCode.UNKNOWN_SUBSCRIBER, None
    if subscriber.error >= 0:
        return subscriber.error, _parameter(subscriber, subscriber.error, version)
    if opcode in _FORWARDS and subscriber.delivery_error >= 0:
        return subscriber.delivery_error, _parameter(subscriber, subscriber.delivery_error, version)
    if opcode in (Opcode.ANY_TIME_INTERROGATION, Opcode.PROVIDE_SUBSCRIBER_INFO):
        return -1, SubscriberInfoRes(info_of(subscriber))
    if opcode == Opcode.ANY_TIME_MODIFICATION:
        return -1, AnyTimeModificationRes()
    imsi = Imsi(subscriber.imsi).encode()
    node = AddressString(subscriber.vlr or "46709000001").encode()
    if opcode == Opcode.SEND_ROUTING_INFO_FOR_SM:
        if subscriber.detached:
            return ErrorCode.ABSENT_SUBSCRIBER_SM, _PARAMETERS[6] if version >= _SINCE else None
        if version >= _SINCE:
            return -1, RoutingInfoForSMRes(imsi, LocationInfoWithLMSI(node))
        return -1, RoutingInfoForSMResV2(imsi, LocationInfoWithLMSIV2(LocationInfo("msc-Number", node)))
    if opcode == Opcode.SEND_ROUTING_INFO:
        routing = RoutingInfo("roamingNumber", node)
        if version >= _SINCE:
            return -1, SendRoutingInfoRes(imsi, ExtendedRoutingInfo("routingInfo", routing))
        return -1, SendRoutingInfoResV2(imsi, routing)
    if opcode in (Opcode.PROCESS_UNSTRUCTURED_SS_REQUEST, Opcode.UNSTRUCTURED_SS_REQUEST):
        return ErrorCode.UNEXPECTED_DATA_VALUE, None  # it has no menus
    return -1, None


def _parameter(subscriber: Subscriber, code: int, version: int) -> Any:
    """Return the parameter of an error: as the subscriber has it, else in MAP v3 the usual one."""
    if subscriber.parameter is not None:
        return subscriber.parameter
    return _PARAMETERS.get(code) if version >= _SINCE else None


def note_mm_event(subscriber: Subscriber, event: bytes) -> NoteMMEventArg:
    """Return the argument of a noteMM-Event about a subscriber."""
    return NoteMMEventArg(
        subscriber.service_key,
        event,
        Imsi(subscriber.imsi).encode(),
        AddressString(subscriber.msisdn).encode(),
        location_of(subscriber),
    )
