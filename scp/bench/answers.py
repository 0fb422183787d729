"""Checks the answers of a load test, in a few hundred nanoseconds each.

After the transaction id, answers differ in the digits of Connect's number only. So the octets without these
digits are decoded and checked once, and the result is looked up for every answer that has the same octets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, final

from scp.simulator.expect import faults_of, read_message
from ss7.errors import DecodeError
from ss7.m3ua import decode_data
from ss7.sccp import UnitData, UnitDataService
from ss7.sccp import decode as decode_sccp
from ss7.tcap import ABORT, CONTINUE, END, TcapError
from ss7.tcap import decode as decode_tcap

if TYPE_CHECKING:
    from scp.simulator.expect import Expectation
    from ss7.cap.contexts import ApplicationContext

_REMEMBERED: Final = 1024
_UDT: Final = 0x09
_CUT: Final = b"\0digits\0"


class Case(NamedTuple):
    """One call of a load test.

    Attributes:
        number: the called number, encoded as the InitialDP carries it.
        expected: what its answer has to be.
        digits: the expected destination's digits, encoded; b"" if none is expected.
        family: equal for cases whose expectation differs in the number only.
        template: index of the template that has room for the number.
    """

    number: bytes
    expected: Expectation
    digits: bytes
    family: int
    template: int


class Backward(NamedTuple):
    """A backward TCAP message, taken apart as far as needed.

    Attributes:
        kind: `END`, `CONTINUE` or `ABORT`.
        dtid: our transaction.
        otid: the peer's, of a CONTINUE.
        octets: the whole TCAP message.
        rest: what follows the transaction ids.
    """

    kind: int
    dtid: bytes
    otid: bytes
    octets: bytes
    rest: bytes


def backward(message: bytes) -> Backward | None:
    """Take a DATA message apart; None if what is in it is no backward TCAP message."""
    at = 8
    if message[at : at + 2] == b"\0\6":
        at += 8
    unit = at + 16
    if message[at : at + 2] != b"\2\x10" or len(message) < unit + 16 or message[unit] != _UDT:
        return _slow(message)
    start = unit + 5 + message[unit + 4]
    octets = message[start : start + message[start - 1]]
    return _transaction(octets)


class Returned(NamedTuple):
    """A message of ours that SCCP could not deliver: a UDTS, XUDTS or LUDTS.

    Attributes:
        tid: our transaction; b"" where it can't be read, or a TC-END had none.
        cause: return cause (Q.713 §3.12).
    """

    tid: bytes
    cause: int


def returned(message: bytes) -> Returned | None:
    """Return what came back in a DATA message; None if nothing did."""
    try:
        unit = decode_sccp(decode_data(message).payload)
    except DecodeError:
        return None
    if not isinstance(unit, UnitDataService):
        return None
    try:
        return Returned(decode_tcap(unit.data).otid, unit.cause)
    except TcapError as error:
        return Returned(error.otid, unit.cause)


def _slow(message: bytes) -> Backward | None:
    try:
        unit = decode_sccp(decode_data(message).payload)
    except DecodeError:
        return None
    return _transaction(unit.data) if isinstance(unit, UnitData) else None


def _transaction(octets: bytes) -> Backward | None:
    """Find the ids where they are in definite short or long form; any other form takes the full decoder."""
    if len(octets) > 12 and octets[0] in (END, CONTINUE):
        at = 2 if octets[1] < 0x80 else 3 if octets[1] == 0x81 else 4
        otid = b""
        if octets[0] == CONTINUE and octets[at] == 0x48:
            end = at + 2 + octets[at + 1]
            otid = octets[at + 2 : end]
            at = end
        if octets[at] == 0x49 and octets[at + 1] == 4:
            return Backward(octets[0], octets[at + 2 : at + 6], otid, octets, octets[at + 6 :])
    try:
        message = decode_tcap(octets)
    except DecodeError:
        return None
    if message.kind not in (END, CONTINUE, ABORT):
        return None
    return Backward(message.kind, message.dtid, message.otid, octets, octets)


@final
class Checker:
    """Checks answers against expectations, with a memory.

    Args:
        context: the application context that the calls are made in.
        dialogue_portion: whether they name it.
    """

    def __init__(self, context: ApplicationContext, *, dialogue_portion: bool = True) -> None:
        self._version = context.version
        self._echo = context.octets if dialogue_portion else b""
        self._known: dict[tuple[int, bytes], str] = {}

    def fault(self, answer: Backward, case: Case) -> str:
        """Return what is wrong with an answer, "" if nothing; how long it took is not looked at."""
        rest = answer.rest
        if case.digits:
            rest = rest.replace(case.digits, _CUT)
            if _CUT not in rest:
                # The expected number isn't there: rare enough to be looked at each time.
                return self._parse(answer, case)
        key = (case.family << 8 | answer.kind, rest)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._parse(answer, case)
        return known

    def _parse(self, answer: Backward, case: Case) -> str:
        try:
            read = read_message(decode_tcap(answer.octets), self._version)
        except DecodeError as error:
            return str(error)
        return "; ".join(faults_of(read, case.expected, self._echo))
