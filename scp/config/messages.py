"""``[messages]``: text messages that the node sends, and the SMSC that takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from msgspec import Meta, Struct

from scp.config.reader import Fault
from scp.config.value_types import GlobalTitle, Seconds
from scp.config.values import HostPort, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
SMSC_SSN: Final = 8
"""Our subsystem as a service centre (TS 23.003 §8.1: that of an MSC)."""


class SmppTls(Struct, frozen=True, forbid_unknown_fields=True):
    """``[messages.smpp.tls]``: TLS to the SMSC; files in PEM.

    Attributes:
        ca: certificates to trust; without it those of the system.
        certificate: our own, if the SMSC wants one.
        key: the key of `certificate`, unless that has it.
        server_name: the name in the SMSC's certificate; without it the host of `addresses`.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None

    def faults(self) -> Iterator[Fault]:
        """Yield a key without a certificate."""
        if self.key is not None and self.certificate is None:
            yield Fault("certificate", "required, as there is a key")


class Smpp(Struct, frozen=True, forbid_unknown_fields=True):
    """``[messages.smpp]``: the SMSC that takes messages, by SMPP 3.4.

    Attributes:
        addresses: HOST:PORT of the SMSC; of several the next one is tried where one can't be reached.
        system_id: that the SMSC's operator has given us (§5.2.1).
        password: with it (§5.2.2).
        system_type: what the SMSC's operator wants there (§5.2.3).
        bind: one bind for both directions, or a transmitter and a receiver.
        window: submit_sm without an answer, at the most (§2.9).
        rate: submit_sm a second that were agreed; 0: as many as the window allows.
        enquire_link_s: seconds of silence after which the SMSC is asked whether it is there.
        response_s: how long it may take to answer; a message without an answer is in doubt.
        long: how a long text goes out: in parts with a user data header or with SAR parameters, or in one
            piece as message_payload.
        default_alphabet: what data_coding 0 means to the SMSC.
        source_ton: type of number of senders (§5.2.5); without it by what the sender is.
        source_npi: numbering plan of senders (§5.2.6); likewise.
        receipt_ids: how receipts write message ids: as the answer to submit_sm did ("same"), in "decimal"
            where that was hexadecimal, in "hex" where it was decimal, or "any": whichever is known.
        tls: see `SmppTls`.
    """

    addresses: tuple[HostPort, ...]
    system_id: Annotated[str, Meta(min_length=1, max_length=15, description="1 to 15 characters")]
    password: Secret = Secret("")
    system_type: Annotated[str, Meta(max_length=12, description="up to 12 characters")] = ""
    bind: Literal["transceiver", "separate"] = "transceiver"
    window: Annotated[int, Meta(ge=1, le=1000, description="from 1 to 1000")] = 10
    rate: Annotated[float, Meta(ge=0, le=10_000, description="from 0 to 10000")] = 0.0
    enquire_link_s: Seconds = 30.0
    response_s: Seconds = 30.0
    long: Literal["udh", "sar", "payload"] = "udh"
    default_alphabet: Literal["gsm7", "latin1"] = "gsm7"
    source_ton: Annotated[int, Meta(ge=0, le=6, description="from 0 to 6")] | None = None
    source_npi: Annotated[int, Meta(ge=0, le=18, description="from 0 to 18")] | None = None
    receipt_ids: Literal["any", "same", "decimal", "hex"] = "any"
    tls: SmppTls | None = None

    def faults(self) -> Iterator[Fault]:
        """Yield an SMSC without an address, a password that the field has no room for."""
        if not self.addresses:
            yield Fault("addresses", "one or more are needed")
        for index, address in enumerate(self.addresses):
            if not address.host or not address.port:
                yield Fault(f"addresses[{index}]", "needs a host, and a port from 1 to 65535")
        if len(self.password.reveal()) > 8:
            yield Fault("password", "has more than 8 characters (SMPP 3.4 §5.2.2)")
        if self.response_s > 90:
            yield Fault(
                "response_s", "must be 90 or less: after 120 s a message without an answer is given up"
            )


class MessagesByMap(Struct, frozen=True, forbid_unknown_fields=True):
    """``[messages.map]``: with ``by = "map"`` the node is the service centre; it needs ``[map]``.

    Attributes:
        service_centre: our address, to which the HLR's alerts come; without it ``sccp.global_title``.
        window: parts on their way at once.
    """

    service_centre: GlobalTitle | None = None
    window: Annotated[int, Meta(ge=1, le=1000, description="from 1 to 1000")] = 20


class Messages(Struct, frozen=True, forbid_unknown_fields=True):
    """``[messages]``; without the table the node sends no text messages.

    Attributes:
        by: what carries messages: an SMSC by SMPP, or the network itself by MAP.
        smpp: the SMSC.
        map: see `MessagesByMap`.
        store: where messages are kept: as ``store.url``; without it in the store's Redis, or for SQLite in a
            file beside the store's (PATH.messages).
        sender: of messages whose request names none: digits, or up to 11 characters.
        validity_s: for how long a message is tried to be delivered if its request does not say.
        in_doubt: what is done about a message that the SMSC may have or not (the node was killed, the
            connection lost before the answer): "report" it as unknown, or "repeat" it, so that the
            subscriber may see it twice.
        retention_days: how long messages that are over, and events, are kept.
        most_parts: a text that needs more is refused.
    """

    by: Literal["smpp", "map"] = "smpp"
    smpp: Smpp | None = None
    map: MessagesByMap = MessagesByMap()
    store: Secret | None = None
    sender: Annotated[
        str,
        Meta(pattern=r"^([0-9]{1,15}|[ -~]{1,11})\Z", description="1 to 15 digits, or 1 to 11 characters"),
    ] = "camel-scp"
    validity_s: Annotated[int, Meta(ge=60, le=604_800, description="seconds, from 60 to 604800")] = 86_400
    in_doubt: Literal["report", "repeat"] = "report"
    retention_days: Annotated[int, Meta(ge=1, le=365, description="from 1 to 365")] = 7
    most_parts: Annotated[int, Meta(ge=1, le=255, description="from 1 to 255")] = 10

    def faults(self) -> Iterator[Fault]:
        """Yield an SMSC that is not described."""
        if self.by == "smpp" and self.smpp is None:
            yield Fault("smpp", 'required, unless by = "map"')
