"""Records what a node says and hears, for chosen numbers, as pcapng that Wireshark and `replay` read.

A `Tap` stands between a transport and its user and sees every message once. Recording must never cost a call:
what is too much for the rate is counted and not written, a disk that fails ends the recording.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct

from scp.capture.anonymise import Anonymiser, Disguise, NotUnderstoodError
from scp.capture.requests import read_request
from scp.capture.wire.follow import Dialogue, Follower, read_transaction
from scp.capture.wire.messages import Message, Reader
from scp.capture.wire.values import Adaptation, Signal, Way
from scp.capture.write import Association, PcapNgWriter
from scp.services.idp import called_number, calling_digits, imsi_digits, trigger_of
from ss7.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from scp.ports import Transport, TransportUser
    from ss7.cap.types import InitialDPArg

HERE: Final = b"\xc0\x00\x02\x01"
"""Our address in recordings (RFC 5737): the node may have many, and a tap sees none of them."""


class RecordSettings(Struct, frozen=True, kw_only=True):
    """What is recorded, and how much of it.

    Attributes:
        numbers: dialogues with an A- or B-number or IMSI that begins so; empty: every message.
        max_octets: of one file; then the next one is begun.
        files: how many are kept; the oldest is deleted.
        rate: messages a second that are written at most.
        key: masks numbers, point codes and addresses with this key; b"" writes what was said.
    """

    numbers: tuple[str, ...] = ()
    max_octets: int = 64 << 20
    files: int = 4
    rate: int = 5_000
    key: bytes = b""


@final
class Recorder:
    """Writes recordings to ``folder``: NAME-0001.pcapng and on.

    Attributes:
        written: messages.
        dropped: messages over the rate, or that could not be masked, and whatever came after the disk failed.
        failure: why recording has ended; "" while it goes on.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        settings: RecordSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.written = 0
        self.dropped: Counter[str] = Counter()
        self.failure = ""
        self._folder = folder
        self._name = name
        self._settings = settings
        self._clock = clock
        self._reader = Reader(Counter())
        self._follower = Follower()
        self._anonymiser = Anonymiser(Disguise(settings.key)) if settings.key else None
        self._wires: dict[str, tuple[Association, Way, Way]] = {}
        self._file: BinaryIO | None = None
        self._writer: PcapNgWriter | None = None
        self._octets = 0
        self._number = 0
        self._allowance = float(settings.rate)
        self._refilled = clock()

    def tap(self, user: TransportUser, peer: str) -> Tap:
        """Return what stands in for ``user``: give it to the transport of this peer."""
        return Tap(self, user, peer)

    def take(self, peer: str, stream: int, octets: bytes, *, sent: bool) -> None:
        """Take one M3UA message."""
        if self.failure:
            self.dropped["recording has ended"] += 1
            return
        now = self._clock()
        wire, out, back = self._wire(peer)
        signal = Signal(0, now, out if sent else back, stream, Adaptation.M3UA, octets)
        message = self._reader.read(signal)
        self._reader.faults.clear()
        if not self._wanted(message):
            return
        if not self._allowed(now):
            self.dropped["over the rate"] += 1
            return
        try:
            for each in self._masked(message, octets):
                self._write(now, wire, each, stream, sent=sent)
        except OSError as error:
            self.failure = str(error)
            self.close()

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None

    def _wire(self, peer: str) -> tuple[Association, Way, Way]:
        known = self._wires.get(peer)
        if known is None:
            number = len(self._wires) + 2
            there = HERE[:3] + bytes((number & 0xFF,))
            wire = Association(HERE, there, tag=2 * number)
            known = wire, Way(HERE, there, 2905, 2905), Way(there, HERE, 2905, 2905)
            self._wires[peer] = known
        return known

    def _wanted(self, message: Message | None) -> bool:
        """Whether a message is to be recorded: every one, or those of dialogues with a chosen number."""
        if not self._settings.numbers:
            return True
        if message is None or not message.tcap:
            return False
        _, dialogue = self._follower.follow(message, read_transaction(message.tcap))
        self._follower.over.clear()
        if dialogue is None:
            return False
        if dialogue.user is None:
            dialogue.user = self._chosen(dialogue)
        return dialogue.user is True

    def _chosen(self, dialogue: Dialogue) -> bool:
        idp = read_request(dialogue.begin.tcap)
        return idp is not None and any(
            number.startswith(self._settings.numbers) for number in _numbers(idp) if number
        )

    def _allowed(self, now: float) -> bool:
        """A token bucket of one second's messages."""
        rate = self._settings.rate
        self._allowance = min(float(rate), self._allowance + (now - self._refilled) * rate)
        self._refilled = now
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True

    def _masked(self, message: Message | None, octets: bytes) -> Iterable[bytes]:
        if self._anonymiser is None:
            return (octets,)
        try:
            return list(self._anonymiser.rewritten(message)) if message is not None else ()
        except (NotUnderstoodError, DecodeError, EncodeError):
            self.dropped["not masked"] += 1
            return ()

    def _write(self, now: float, wire: Association, octets: bytes, stream: int, *, sent: bool) -> None:
        if self._writer is None or self._octets > self._settings.max_octets:
            self._next_file()
        assert self._writer is not None
        for packet in wire.packets(octets, sent=sent, stream=max(0, stream)):
            self._octets += self._writer.write(now, packet)
        self.written += 1

    def _next_file(self) -> None:
        self.close()
        self._number += 1
        self._file = self._path(self._number).open("wb", buffering=1 << 16)
        self._writer = PcapNgWriter(self._file, comment="masked" if self._settings.key else "")
        self._octets = 0
        self._path(self._number - self._settings.files).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._name}-{number:04d}.pcapng"


def _numbers(idp: InitialDPArg) -> tuple[str, str, str]:
    try:
        called = called_number(idp, trigger_of(idp))[0]
    except DecodeError:
        called = ""
    return calling_digits(idp), called, imsi_digits(idp)


@final
class Tap:
    """The user of a transport, and the transport of that user: both pass through, both are recorded."""

    def __init__(self, recorder: Recorder, user: TransportUser, peer: str) -> None:
        self.name = peer
        self._recorder = recorder
        self._user = user
        self._transport: Transport | None = None

    # the `TransportUser`

    def connected(self, transport: Transport) -> None:
        """See `TransportUser`."""
        self._transport = transport
        self.name = transport.name
        self._user.connected(self)

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """See `TransportUser`."""
        for stream, octets in messages:
            self._recorder.take(self.name, stream, octets, sent=False)
        self._user.received(messages)

    def disconnected(self, reason: str) -> None:
        """See `TransportUser`."""
        self._transport = None
        self._user.disconnected(reason)

    # the `Transport`

    @property
    def streams(self) -> int:
        """See `Transport`."""
        return 1 if self._transport is None else self._transport.streams

    @property
    def more(self) -> bool:
        """See `Transport`."""
        return self._transport is not None and self._transport.more

    def send(self, messages: Iterable[tuple[int, bytes]]) -> None:
        """See `Transport`."""
        sent = list(messages)
        for stream, octets in sent:
            self._recorder.take(self.name, stream, octets, sent=True)
        if self._transport is not None:
            self._transport.send(sent)

    def close(self, *, abort: bool = False) -> None:
        """See `Transport`."""
        if self._transport is not None:
            self._transport.close(abort=abort)
