"""Finds calls and messages of some numbers in a node's traffic, and MAP about them, at little cost.

A message is read only if it may be one of them: a number stands in an InitialDP as packed digits (Q.763 §3.9,
24.008 §10.5.4.7), in InitialDPSMS and an argument of MAP likewise; a message's delivery has the IMSI that the
HLR gave for the number just before. So octets that don't have its last ones don't have the
number, and what follows in the dialogue has one of its transaction ids. A message in segments is found with
its last one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple, final

from scp.capture.initial_dp import read_initial_dp, read_initial_dp_sms
from scp.capture.map_subject import imsi_told, subject_of_begin
from scp.capture.wire.dialogue_tracker import STRAY, Dialogue, DialogueTracker
from scp.capture.wire.messages import Message, Reader
from scp.capture.wire.values import Adaptation, Signal, Way
from scp.services.idp import calling_e164, read_call
from scp.services.message_facts import parties
from ss7.tcap import BEGIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scp.domain.numbers import Numbering

HERE: Final = b"\xc0\x00\x02\x01"
"""Our address in what is made of messages (RFC 5737): the node may have many, and a tap sees none of them."""
MOST_FOLLOWED: Final = 256
"""Dialogues that are followed at a time; the oldest is given up for a new one."""

_PORT: Final = 2905
_DATA: Final = 1  # message class Transfer, type DATA (RFC 4666 §3.1)
_PROTOCOL_DATA: Final = b"\x02\x10"
_ROUTING_LABEL: Final = 16  # octets of Protocol Data before the user's: tag, length, label (§3.3.1)
_UDT: Final = 0x09


class Found(NamedTuple):
    """A message of one of the numbers' calls, its dialogue, and the number."""

    message: Message
    dialogue: Dialogue
    msisdn: str


@final
class Signals:
    """Makes of a peer's messages what `Reader` reads; every peer has two ways, in and out."""

    def __init__(self) -> None:
        self._ways: dict[str, tuple[Way, Way]] = {}

    def of(self, peer: str, stream: int, octets: bytes, now: float, *, sent: bool) -> Signal:
        """Return a message as a signal; ``now`` in seconds since 1970."""
        ways = self._ways.get(peer)
        if ways is None:
            there = there_of(len(self._ways))
            ways = self._ways[peer] = (Way(there, HERE, _PORT, _PORT), Way(HERE, there, _PORT, _PORT))
        return Signal(0, now, ways[sent], stream, Adaptation.M3UA, octets)


def there_of(number: int) -> bytes:
    """Return the address that a node's peer with this number is given, like `HERE`."""
    return HERE[:3] + bytes(((number + 2) & 0xFF,))


@final
class Finder:
    """Looks at every message, in the order in which they come and go.

    Args:
        numbering: how numbers become E.164.
        numbers: whose calls, E.164 digits; calls are theirs if they call or are called.
    """

    def __init__(self, numbering: Numbering, numbers: Iterable[str] = ()) -> None:
        self.reader = Reader(Counter())
        self._numbering = numbering
        self._tracker = DialogueTracker()
        self._numbers: frozenset[str] = frozenset()
        self._needles: tuple[bytes, ...] = ()
        self._ids: dict[bytes, Dialogue] = {}
        self._imsis: dict[bytes, str] = {}  # that HLRs gave for the numbers, packed
        self.choose(numbers)

    def choose(self, numbers: Iterable[str]) -> None:
        """Look for the calls of these numbers; dialogues that were found before are followed to their end."""
        self._numbers = frozenset(numbers)
        self._imsis = {imsi: each for imsi, each in self._imsis.items() if each in self._numbers}
        code = self._numbering.country_code
        self._needles = tuple(each for number in self._numbers for each in needles(number, code))

    def find(self, signal: Signal) -> Found | None:
        """Return a message of theirs, None if it is another; ask `may_be` first."""
        message = self.reader.read(signal)
        self.reader.faults.clear()
        if message is None or not message.tcap:
            return None
        transaction = message.transaction
        begins = transaction.kind == BEGIN
        msisdn = self._chosen(message) if begins else ""
        if begins and not msisdn:
            return None
        what, dialogue = self._tracker.track(message, transaction)
        self._tracker.over.clear()
        if dialogue is None or what == STRAY:
            return None
        if begins:
            dialogue.user = msisdn
        elif imsi := imsi_told(message.tcap):
            self._imsis[imsi] = str(dialogue.user)
            if len(self._imsis) > MOST_FOLLOWED:
                del self._imsis[next(iter(self._imsis))]
        self._remember(dialogue, transaction.otid)
        assert isinstance(dialogue.user, str)
        return Found(message, dialogue, dialogue.user)

    def may_be(self, octets: bytes) -> bool:
        """Whether an M3UA message can be one of theirs: a look for some octets in it."""
        if len(octets) < 4 or octets[2] != _DATA:
            return False
        for needle in self._needles:
            if needle in octets:
                return True
        for tid in self._ids:
            if tid in octets:
                return True
        for imsi in self._imsis:
            if imsi in octets:
                return True
        return bool(self._needles) and not _is_udt(octets)  # a segment may have part of what is looked for

    def _chosen(self, begin: Message) -> str:
        """Return the number that a BEGIN is a call of, "" if of none."""
        octets, numbering = begin.tcap, self._numbering
        numbers: tuple[str, ...]
        if (idp := read_initial_dp(octets)) is not None:
            numbers = read_call(idp, numbering).e164, calling_e164(idp, numbering)
        elif (sms := read_initial_dp_sms(octets)) is not None:
            numbers = parties(sms, numbering)
        else:
            numbers = (subject_of_begin(octets, numbering, self._imsis),)
        return next((number for number in numbers if number in self._numbers), "")

    def _remember(self, dialogue: Dialogue, tid: bytes) -> None:
        """Know the dialogue by its ids until it has ended."""
        if dialogue.closed >= 0:
            for known in (dialogue.otid, dialogue.answer_tid):
                self._ids.pop(known, None)
        elif tid and tid not in self._ids:
            if len(self._ids) >= 2 * MOST_FOLLOWED:
                del self._ids[next(iter(self._ids))]
            self._ids[tid] = dialogue


def needles(msisdn: str, country_code: str) -> tuple[bytes, ...]:
    """Return what octets have to have one of, to have this number in any of its forms.

    All forms end alike, at least in the national significant number. What lies before decides whether the
    last digit has an octet of its own, whose other half is then 0 (Q.763) or F (24.008, MAP).
    """
    significant = msisdn.removeprefix(country_code)
    size = 2 * min(3, (len(significant) - 1) // 2)
    last = int(significant[-1])
    head = _packed(significant[-size - 1 : -1])
    return _packed(significant[-size:]), head + bytes((last,)), head + bytes((0xF0 | last,))


def _packed(digits: str) -> bytes:
    return bytes(int(high) << 4 | int(low) for low, high in zip(digits[::2], digits[1::2], strict=True))


def _is_udt(octets: bytes) -> bool:
    """Whether a DATA message carries a UDT, which is a whole message of SCCP."""
    at = 8
    while at + _ROUTING_LABEL < len(octets):
        if octets[at : at + 2] == _PROTOCOL_DATA:
            return octets[at + _ROUTING_LABEL] == _UDT
        at += max(4, (octets[at + 2] << 8 | octets[at + 3]) + 3 & ~3)
    return False
