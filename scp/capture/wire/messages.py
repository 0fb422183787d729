"""From messages of the adaptation layers to those of TCAP: MTP3, SCCP, its segments put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, final

from scp.capture.wire.transaction import Transaction, read_kind, read_transaction
from scp.capture.wire.values import ADAPTATION_NAMES, Adaptation, Fault, Signal, Way
from scp.messages.smpp import pdu
from scp.stack.sccp_reassembly import Reassembly
from scp.stack.sccp_settings import SI_SCCP, SccpSettings
from ss7 import m2pa, m2ua, m3ua, mtp3, sccp
from ss7.errors import DecodeError
from ss7.m3ua import Data
from ss7.sccp import UnitData, UnitDataService

if TYPE_CHECKING:
    from collections import Counter

Unit: TypeAlias = UnitData | UnitDataService

_M3UA: Final = int(Adaptation.M3UA)
_DATA_CLASS: Final = 1
_NO_PEER: Final = Data(-1, -1, SI_SCCP, 0, 0, 0, b"")
MANAGEMENT_SSN: Final = 1
"""SCCP management (Q.713 §3.4.2.2)."""


@final
class Message:
    """One SS7 message of a capture, as far as it can be read; or one PDU of SMPP.

    Attributes:
        signal: the adaptation layer's message that carried it, or its last segment.
        management: a message of M3UA that is no DATA.
        data: the MTP3 user message; None if there is none.
        unit: the SCCP message, of segments put together; None if there is none.
        tcap: octets for TCAP (or SCCP management); b"" if there are none.
        kind: of the TCAP message, as a `Transaction` has it; 0 if it is none.
        segments: how many SCCP segments it came in; 0 while it is not complete.
        smpp: the PDU of SMPP; None if it is none.
    """

    __slots__ = ("data", "kind", "management", "segments", "signal", "smpp", "tcap", "unit")

    def __init__(
        self,
        signal: Signal,
        data: Data | None = None,
        unit: Unit | None = None,
        tcap: bytes = b"",
        segments: int = 1,
        management: m3ua.Message | None = None,
        smpp: pdu.Pdu | None = None,
    ) -> None:
        self.signal = signal
        self.management = management
        self.data = data
        self.unit = unit
        self.tcap = tcap
        self.kind = read_kind(tcap)
        self.segments = segments
        self.smpp = smpp

    @property
    def transaction(self) -> Transaction:
        """What the TCAP message belongs to; not kept: garbage collection would visit one object more."""
        return read_transaction(self.tcap)


def is_segment(unit: Unit) -> bool:
    """Whether an SCCP message, or one that is returned, has a part of its user's data only (Q.713 §3.17)."""
    part = unit.segmentation
    return part is not None and not (part.first and not part.remaining)


def _subsystem(unit: Unit) -> int:
    try:
        return unit.called.ssn
    except DecodeError:
        return -1


@final
class Reader:
    """Reads signals.

    Args:
        counts: what is neither a message nor a fault is counted here.

    Attributes:
        faults: what can't be read; the owner drains it.
    """

    def __init__(self, counts: Counter[str]) -> None:
        self.faults: list[Fault] = []
        self.counts = counts
        self._settings = SccpSettings(t_reassembly=20.0, max_reassemblies=256)
        self._reassembly: dict[Way, Reassembly] = {}

    def read(self, signal: Signal) -> Message | None:
        """Return the message; None if there is a fault in place of one."""
        adaptation = signal.adaptation
        octets = signal.octets
        try:
            if adaptation == _M3UA:
                # nearly all of the traffic; `decode_data` checks what of the header is not read here
                if len(octets) > 3 and octets[2] == _DATA_CLASS and octets[3] == _DATA_CLASS:
                    data: Data | None = m3ua.decode_data(octets)
                else:
                    return self._management(signal)
            elif adaptation == Adaptation.SCCP:
                return self._sccp(signal, _NO_PEER, octets)
            elif adaptation == Adaptation.SMPP:
                return Message(signal, segments=0, smpp=pdu.decode(octets))
            elif adaptation == Adaptation.M2UA:
                data = m2ua.decode(octets)
            elif adaptation == Adaptation.M2PA:
                data = m2pa.decode(octets)
            else:
                data = mtp3.decode(octets)
        except DecodeError as error:
            self._fault(signal, ADAPTATION_NAMES[adaptation], error, octets)
            return None
        if data is None:
            self.counts[ADAPTATION_NAMES[adaptation] + "-link-management"] += 1
            return None
        if data.si != SI_SCCP:
            self.counts["other-mtp-user"] += 1
            return Message(signal, data)
        return self._sccp(signal, data, data.payload)

    def _management(self, signal: Signal) -> Message | None:
        message = m3ua.decode(signal.octets)
        return (
            Message(signal, message, segments=0)
            if isinstance(message, Data)
            else Message(signal, segments=0, management=message)
        )

    def _sccp(self, signal: Signal, data: Data, octets: bytes) -> Message | None:
        try:
            unit = sccp.decode(octets)
        except DecodeError as error:
            self._fault(signal, "sccp", error, octets)
            return None
        if is_segment(unit):
            if type(unit) is UnitData:
                return self._segment(signal, data, unit)
            return Message(signal, data, unit, b"", 0)  # returned to its sender, which reassembles nothing
        message = Message(signal, data, unit, unit.data)
        if not message.kind and _subsystem(unit) != MANAGEMENT_SSN:
            self.counts["fault:tcap: no TCAP message"] += 1
        return message

    def _segment(self, signal: Signal, data: Data, unit: UnitData) -> Message:
        """Put a segmented message together; each direction between two hosts has segments of its own."""
        reassembly = self._reassembly.get(signal.way)
        if reassembly is None:
            reassembly = self._reassembly[signal.way] = Reassembly(self._settings)
        part = unit.segmentation
        assert part is not None
        reassembly.tick(signal.time)
        whole = reassembly.receive(unit, part, data.opc, data.dpc, data.sls, signal.time)
        for failure in reassembly.failures:
            reason = str(failure.reason)
            self.faults.append(Fault(signal.frame, signal.time, "sccp", reason, 0, "Q.714 §4.1.1.3"))
        reassembly.failures.clear()
        if whole is None:
            return Message(signal, data, unit, b"", 0)
        return Message(signal, data, whole, whole.data, 2)

    def _fault(self, signal: Signal, layer: str, error: DecodeError, octets: bytes) -> None:
        self.faults.append(
            Fault(signal.frame, signal.time, layer, error.reason, error.offset, error.clause, octets)
        )
