"""SCCP connectionless control and routing of one signalling end point (Q.714 §2, §4), without I/O.

A message from M3UA is for one of our subsystems, or for SCCP management, or it is discarded; none is relayed.

The ordinary message takes one straight path: a UDT whose two addresses were seen before costs two look-ups
after its decoding. The meaning of an address is worked out once and kept in bounded memos.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.stack.sccp_management import Outgoing, Subsystems
from scp.stack.sccp_reassembly import Reassembly
from scp.stack.sccp_settings import (
    DISCARD,
    RETURN_ON_ERROR,
    SI_SCCP,
    Discard,
    Event,
    Own,
    SccpSettings,
    Translation,
)
from ss7 import sccp
from ss7.errors import DecodeError, EncodeError
from ss7.sccp import Address, MessageType, ReturnCause, Segmentation, UnitData, UnitDataService, address_of
from ss7.scmg import SCMG_SSN, Management

if TYPE_CHECKING:
    from ss7.m3ua import Data

__all__ = ["Sccp", "SccpSettings"]

# What a called address means to us. Not negative: a return cause.
_OURS: Final = -1
_MANAGEMENT: Final = -2
_BAD: Final = -3
_UNSEEN: Final = -4

# What a calling address means to us. Not negative: the point code that it is reached at.
_VIA_OPC: Final = -1  # it is reached where its message came from
_BY_OPC: Final = -2  # it may call only if its message came from an allowed point code

_NOT_LOOKED_UP: Final = Translation("", ())
_MEMO_LIMIT: Final = 4096
_HOPS: Final = 15  # Q.713 §3.18: the highest
_MAX_SEGMENTS: Final = 16

_REASON_OF: Final = {
    int(ReturnCause.NO_TRANSLATION_FOR_NATURE): Discard.NO_TRANSLATION_FOR_NATURE,
    int(ReturnCause.NO_TRANSLATION_FOR_ADDRESS): Discard.NO_TRANSLATION_FOR_ADDRESS,
    int(ReturnCause.SUBSYSTEM_FAILURE): Discard.SUBSYSTEM_FAILURE,
    int(ReturnCause.UNEQUIPPED_USER): Discard.UNEQUIPPED_USER,
}


@final
class Sccp:
    """SCCP of one node in one network.

    Args:
        settings: our addresses, and the callers that are allowed.
        local_reference: the segmentation local reference to begin with, 0 to 0xFFFFFF; after a restart it
            should not be one that was used within T(reass).

    Attributes:
        settings: as given.
        outbox: (destination point code, SLS, SCCP message) that the user sends; the owner drains it.
        own: messages of SCCP itself; the owner drains it.
        events: the owner drains it.
        local_reference: segmentation local reference of the next segmented message.
        point_code: ours in messages that answer none; 0 without one.
        translates: whether any titles are translated (`translate`).
        announces: whether any point code is configured to get SSA and SSP of our subsystems.
        asks_return: see `RETURN_ON_ERROR`: for a message that ends a dialogue, for any other.
    """

    def __init__(self, settings: SccpSettings, local_reference: int = 0) -> None:
        self.outbox: list[tuple[int, int, bytes]] = []
        self.own: list[Own] = []
        self.events: list[Event] = []
        self.settings: Final = settings
        self.point_code: Final = settings.point_codes[0] if settings.point_codes else 0
        self._ssns: Final = frozenset(settings.ssns)
        self._point_codes: Final = frozenset(settings.point_codes)
        self._everybody: Final = not settings.allowed_prefixes and not settings.allowed_point_codes
        self._allowed_point_codes: Final = frozenset(settings.allowed_point_codes)
        self._max_message: Final = settings.max_message
        self.translates: bool = bool(settings.translations)
        self.asks_return: Final = RETURN_ON_ERROR[settings.return_on_error]
        self._translations: Final = sorted(settings.translations, key=_longest_first)
        self._translated_to: dict[bytes, Translation | None] = {}
        self._called: dict[bytes, int] = {}
        self._callers: dict[bytes, int] = {}
        self._reassembly: Final = Reassembly(settings)
        self._subsystems: Final = Subsystems(settings)
        self._refuses: bool = False
        self.announces: Final = bool(settings.concerned)
        self.local_reference = local_reference & 0xFFFFFF
        self._titled: Final = settings.global_title is not None
        self._own_addresses: dict[bytes, bytes] = {}

    def receive(self, data: Data, now: float) -> UnitData | UnitDataService | None:
        """Take a DATA message of M3UA.

        Returns:
            Unit data for a subsystem of ours (reassembled where it was segmented), or a service message: one
            of ours that the network could not deliver, for TC-NOTICE. None for all other: management, a
            segment, or a message that is discarded (`events`) and perhaps returned (`own`).
        """
        if data.si != SI_SCCP:
            self.events.append(Event(DISCARD, Discard.NOT_SCCP, data.opc))
            return None
        try:
            message = sccp.decode(data.payload)
        except DecodeError as error:
            known = bool(error.offset) or error.clause != "Q.713 §2.1"
            reason = Discard.MALFORMED if known else Discard.UNSUPPORTED_MESSAGE
            self.events.append(Event(DISCARD, reason, data.opc, -1, error))
            return None
        if (
            isinstance(message, UnitData)
            and self._called.get(message.called_raw, _UNSEEN) == _OURS
            and self._callers.get(message.calling_raw, _UNSEEN) >= _VIA_OPC
            and message.segmentation is None
            and message.hop_counter <= _HOPS
            and message.hop_counter != 0
            and data.dpc in self._point_codes
        ):
            return message
        return self._consider(message, data, now)

    def send(
        self,
        called_raw: bytes,
        calling_raw: bytes,
        data: bytes,
        *,
        dpc: int,
        sls: int,
        protocol_class: int = 1,
        return_on_error: bool = False,
    ) -> None:
        """Put unit data into the outbox: a UDT if it fits, else up to 16 segments (Q.714 §4.1.1.2).

        Args:
            called_raw: to whom: encoded address, no more than 124 octets.
            calling_raw: from whom (`own_address`), as ``called_raw``.
            data: the user's octets.
            dpc: destination point code (`route_back`).
            sls: signalling link selection, the same for all messages of a dialogue: class 1 keeps their
                order only so.
            protocol_class: 0 or 1.
            return_on_error: ask for the message back if it can't be delivered.

        Raises:
            EncodeError: the data are too long for 16 segments, or there are none; nothing is sent.
        """
        size = len(data)
        overhead = len(called_raw) + len(calling_raw)
        if 0 < size <= 255 and 8 + overhead + size <= self._max_message:
            class_octet = protocol_class | 0x80 if return_on_error else protocol_class
            self.outbox.append((dpc, sls, sccp.udt(called_raw, calling_raw, data, class_octet)))
            return
        message = UnitData(
            MessageType.XUDT, protocol_class, return_on_error, called_raw, calling_raw, data, _HOPS
        )
        self._send_segments(message, dpc, sls)

    def own_address(self, called_raw: bytes) -> bytes:
        """Return the calling address for an answer to a message that came for ``called_raw``."""
        if not self._titled:
            return called_raw
        own = self._own_addresses.get(called_raw, b"")
        return own or self._own_address(called_raw)

    def _own_address(self, called_raw: bytes) -> bytes:
        """Make our address, with our global title and the SSN that was called, and remember it."""
        try:
            ssn = address_of(called_raw).ssn
        except DecodeError:
            ssn = -1
        settings = self.settings
        own = Address(ssn if ssn in self._ssns else settings.ssns[0], -1, settings.global_title).encode()
        if len(self._own_addresses) >= _MEMO_LIMIT:
            self._own_addresses.clear()
        self._own_addresses[called_raw] = own
        return own

    def route_back(self, calling_raw: bytes, opc: int) -> int:
        """Return the point code that answers to ``calling_raw`` go to, whose message came from ``opc``.

        An address that is routed on SSN says so itself; a global title is translated where it came from:
        we have no translation of our own, and the node that passed the message to us has.
        """
        route = self._callers.get(calling_raw, _UNSEEN)
        if route == _UNSEEN:
            route = self._caller(calling_raw)
        if route == _BY_OPC:
            route = _reached_at(address_of(calling_raw))
        return route if route >= 0 else opc

    def translate(self, called_raw: bytes, sls: int) -> tuple[int, ...]:
        """Return the point codes that a message to this address may go to, the preferred one first.

        Nothing is returned for an address that is routed on SSN, or whose title has no translation.
        """
        found = self._translated_to.get(called_raw, _NOT_LOOKED_UP)
        if found is _NOT_LOOKED_UP:
            found = self._translation(called_raw)
            if len(self._translated_to) >= _MEMO_LIMIT:
                self._translated_to.clear()
            self._translated_to[called_raw] = found
        if found is None:
            return ()
        codes = found.point_codes
        first = sls % len(codes) if found.share else 0
        return codes[first:] + codes[:first]

    def _translation(self, called_raw: bytes) -> Translation | None:
        try:
            address = address_of(called_raw)
        except DecodeError:
            return None
        title = address.global_title
        if address.route_on_ssn or title is None:
            return None
        for translation in self._translations:
            if title.digits.startswith(translation.prefix):
                return translation
        return None

    def out_of_service(self, now: float, *, refuse: bool = True) -> None:  # noqa: ARG002 - events have their time
        """Take our subsystems out of service: SSP to the concerned signalling points (Q.714 §5.3.7).

        Messages that come all the same are returned; with ``refuse`` false they are still taken, for a drain.
        """
        self._refuses = refuse
        self._status(self._subsystems.set_in_service(False))

    def in_service(self, now: float) -> None:  # noqa: ARG002 - as above
        """Take our subsystems into service: SSA to the concerned signalling points. At first they are."""
        self._refuses = False
        self._status(self._subsystems.set_in_service(True))

    def prohibited_subsystems(self) -> list[tuple[int, int]]:
        """Return (point code, SSN) of the remote subsystems that SCMG says are out of service."""
        return self._subsystems.prohibited()

    def next_deadline(self) -> float:
        """Return when `tick` is due; ``inf``: never, as things stand."""
        return min(self._reassembly.next_deadline(), self._subsystems.next_deadline())

    def tick(self, now: float) -> None:
        """Give up messages whose segments did not come, and test prohibited subsystems."""
        self._reassembly.tick(now)
        self._reassembly_failed()
        self._send_management(self._subsystems.tick(now), self.point_code)

    def _status(self, broadcast: Outgoing) -> None:
        self._called.clear()  # what was ours is not, or is again
        self._send_management(broadcast, self.point_code)

    def _consider(
        self, message: UnitData | UnitDataService, data: Data, now: float
    ) -> UnitData | UnitDataService | None:
        """Route a message that is in some way not the ordinary one (Q.714 §2.3, §2.4)."""
        if self._point_codes and data.dpc not in self._point_codes:
            self.events.append(Event(DISCARD, Discard.FOREIGN_POINT_CODE, data.opc))
            return None
        called = self._called.get(message.called_raw, _UNSEEN)
        if called == _UNSEEN:
            called = self._meaning(message.called_raw)
        if isinstance(message, UnitDataService):
            if called == _OURS:
                return message
            self.events.append(Event(DISCARD, Discard.SERVICE_NOT_OURS, data.opc))
            return None
        if called == _BAD:
            self._bad_address(message.called_raw, Discard.BAD_CALLED_ADDRESS, data.opc)
            return None
        if not -1 <= message.hop_counter <= _HOPS or not message.hop_counter:
            self._refuse(Discard.HOP_COUNTER_VIOLATION, ReturnCause.HOP_COUNTER_VIOLATION, message, data)
            return None
        if called == _MANAGEMENT:
            self._managed(message, data, now)
            return None
        if called >= 0:
            self._refuse(_REASON_OF[called], called, message, data)
            return None
        if not self._may_call(message, data):
            return None
        if message.segmentation is None:
            return message
        return self._segment(message, message.segmentation, data, now)

    def _meaning(self, called_raw: bytes) -> int:
        """Find out what a called address means to us, and remember it."""
        try:
            meaning = self._translated(address_of(called_raw))
        except DecodeError:
            meaning = _BAD
        if len(self._called) >= _MEMO_LIMIT:
            self._called.clear()
        self._called[called_raw] = meaning
        return meaning

    def _translated(self, address: Address) -> int:
        """Return what an address means to us: `_OURS`, `_MANAGEMENT` or a return cause.

        A point code in it is not looked at: the message is here, so its destination point code was ours.
        """
        ssn = address.ssn
        if not address.route_on_ssn:
            title = address.global_title
            if title is None:
                return ReturnCause.NO_TRANSLATION_FOR_NATURE
            own = self.settings.global_title
            if own is not None and title.digits != own.digits:
                return ReturnCause.NO_TRANSLATION_FOR_ADDRESS
            if ssn <= 0:  # not there or "not known": the title alone says which subsystem
                ssn = self.settings.ssns[0]
        if ssn == SCMG_SSN:
            return _MANAGEMENT
        if ssn not in self._ssns:
            return ReturnCause.UNEQUIPPED_USER
        return ReturnCause.SUBSYSTEM_FAILURE if self._refuses else _OURS

    def _caller(self, calling_raw: bytes) -> int:
        """Find out where a caller is reached and whether it may call, and remember it."""
        try:
            address = address_of(calling_raw)
        except DecodeError:
            meaning = _BAD
        else:
            allowed = self._everybody or self._allowed(address)
            meaning = _reached_at(address) if allowed else _BY_OPC
        if len(self._callers) >= _MEMO_LIMIT:
            self._callers.clear()
        self._callers[calling_raw] = meaning
        return meaning

    def _allowed(self, address: Address) -> bool:
        title = address.global_title
        if title is not None and title.digits.startswith(self.settings.allowed_prefixes):
            return True
        return address.point_code in self._allowed_point_codes

    def _may_call(self, message: UnitData, data: Data) -> bool:
        """Say whether the caller is served; if not, discard the message."""
        caller = self._callers.get(message.calling_raw, _UNSEEN)
        if caller == _UNSEEN:
            caller = self._caller(message.calling_raw)
        if caller == _BAD:
            self._bad_address(message.calling_raw, Discard.BAD_CALLING_ADDRESS, data.opc)
            return False
        if caller == _BY_OPC and data.opc not in self._allowed_point_codes:
            self._refuse(Discard.CALLER_NOT_ALLOWED, ReturnCause.UNQUALIFIED, message, data)
            return False
        return True

    def _bad_address(self, octets: bytes, reason: Discard, opc: int) -> None:
        """Discard a message for an address that can't be decoded; decode it again to say what is wrong."""
        try:
            address_of(octets)
        except DecodeError as error:
            self.events.append(Event(DISCARD, reason, opc, -1, error))

    def _segment(self, message: UnitData, part: Segmentation, data: Data, now: float) -> UnitData | None:
        whole = self._reassembly.receive(message, part, data.opc, data.dpc, data.sls, now)
        self._reassembly_failed()
        return whole

    def _reassembly_failed(self) -> None:
        """Report and return the messages that were given up."""
        failures = self._reassembly.failures
        if not failures:
            return
        for failure in failures:
            self.events.append(Event(DISCARD, failure.reason, failure.opc))
            if failure.cause >= 0:
                self._return(failure.message, failure.cause, failure.opc, failure.dpc, failure.sls)
        failures.clear()

    def _refuse(self, reason: Discard, cause: int, message: UnitData, data: Data) -> None:
        self.events.append(Event(DISCARD, reason, data.opc))
        self._return(message, cause, data.opc, data.dpc, data.sls)

    def _return(self, message: UnitData, cause: int, opc: int, dpc: int, sls: int) -> None:
        """Send a message back if its sender asked for that (Q.714 §4.2). Service messages never get here.

        Args:
            message: as it came.
            cause: return cause (Q.713 §3.12).
            opc: originating point code of its DATA.
            dpc: destination point code, from which it is returned.
            sls: signalling link selection.
        """
        if not message.return_on_error:
            return
        octets = message.returned(cause).encode()
        self.own.append(Own(dpc, self.route_back(message.calling_raw, opc), sls, octets))

    def _managed(self, message: UnitData, data: Data, now: float) -> None:
        """Decode a management message and answer it from the point code that it came to."""
        opc = data.opc
        try:
            management = Management.decode(message.data)
        except DecodeError as error:
            self.events.append(Event(DISCARD, Discard.BAD_MANAGEMENT, opc, -1, error))
            return
        self._send_management(self._subsystems.receive(management, opc, now, self.events), data.dpc)

    def _send_management(self, messages: Outgoing, opc: int) -> None:
        """Send management messages from ``opc``: class 0, between SSN 1, routed on SSN (Q.714 §5.1)."""
        own = Address(SCMG_SSN, opc if opc or self._point_codes else -1, None, True)
        for point_code, message in messages:
            peer = Address(SCMG_SSN, point_code, None, True)
            octets = sccp.udt(peer.encode(), own.encode(), message.encode(), 0)
            self.own.append(Own(opc, point_code, 0, octets))

    def _send_segments(self, message: UnitData, dpc: int, sls: int) -> None:
        """Send ``message`` in as few segments as it takes, all but the last of one size (Q.714 §4.1.1.2).

        All are class 1, so that they come in order; the class that the user asked for goes in the parameter.
        """
        overhead = len(message.called_raw) + len(message.calling_raw)
        # Nothing of the fixed part, addresses and lengths is left of 17 octets; the pointer to the
        # optional part spans addresses, data, three lengths and itself.
        room = min(self._max_message - 17 - overhead, 255 - 4 - overhead)
        size = len(message.data)
        if room <= 0 or not 0 < size <= _MAX_SEGMENTS * room:
            raise EncodeError(f"{size} octets don't go in 16 segments of {room}", "Q.714 §4.1.1.2")
        count = (size + room - 1) // room
        reference = self.local_reference
        self.local_reference = (reference + 1) & 0xFFFFFF
        for index in range(count):
            segment = UnitData(
                MessageType.XUDT,
                1,
                message.return_on_error,
                message.called_raw,
                message.calling_raw,
                message.data[index * room : (index + 1) * room],
                _HOPS,
                Segmentation(index == 0, count - 1 - index, reference, message.protocol_class == 1),
            )
            self.outbox.append((dpc, sls, segment.encode()))


def _longest_first(translation: Translation) -> int:
    return -len(translation.prefix)


def _reached_at(address: Address) -> int:
    """Return the point code in an address that is routed on it; `_VIA_OPC` for any other."""
    return address.point_code if address.route_on_ssn and address.point_code >= 0 else _VIA_OPC
