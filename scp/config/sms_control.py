"""``[sms_control]``: what becomes of messages about which an MSC or SGSN asks (CAP InitialDPSMS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from scp.config.reader import Fault
from scp.config.services import MAX_SERVICE_KEY
from scp.config.value_types import GlobalTitle
from scp.domain.tariff import MINUTE, Amount, Tariff

if TYPE_CHECKING:
    from collections.abc import Iterator

Digits: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{1,15}\Z", description="1 to 15 digits")]
RpCause: TypeAlias = Annotated[int, Meta(ge=1, le=127, description="an RP-Cause, 1 to 127 (TS 24.011)")]
Patience: TypeAlias = Annotated[float, Meta(ge=0.1, le=600, description="seconds, from 0.1 to 600")]


class MessageTariff(Struct, frozen=True, forbid_unknown_fields=True):
    """What a message to numbers with one prefix costs.

    Attributes:
        prefix: the first digits of the number that it is priced by; "" is every number.
        price: of one message, in minor units of ``charging.currency``.
        name: in records, for people.
    """

    prefix: Annotated[str, Meta(pattern=r"^[0-9]{0,15}\Z", description="0 to 15 digits (E.164, without +)")]
    price: Amount
    name: str = ""

    def tariff(self) -> Tariff:
        """Return it as a tariff by which a message is an answered call: a fee, and nothing for its time."""
        return Tariff(self.prefix, 0, MINUTE, self.name, setup=self.price)


class SmsCharging(Struct, frozen=True, forbid_unknown_fields=True):
    """``[sms_control.charging]``: messages that go on are paid for by the subscriber whose SMS-CSI it is.

    Attributes:
        pays: which messages: sent ones, by the recipient's number; received ones, by the number of the VLR.
        free: prefixes of such numbers, E.164 or as dialled, that cost nothing.
        tariffs: without ``charging.chf`` and ``charging.ro``; a number that none has is denied.
        denial_cause: RP-Cause of a message that can't be paid: 21 is short message transfer rejected.
        down: what a message gets while charging does not answer: it is refused (RP-Cause 41, temporary
            failure), or goes on unpaid.
        deadline_s: how long charging may take.
        report_s: how long the MSC's report is waited for.
        unreported: a message of which nothing was reported is charged, or not.
        furnish: have the MSC write the reservation's id into its own record (FurnishChargingInformationSMS).
    """

    pays: tuple[Literal["sent", "received"], ...] = ("sent",)
    free: tuple[Digits, ...] = ()
    tariffs: tuple[MessageTariff, ...] = ()
    denial_cause: RpCause = 21
    down: Literal["release", "free"] = "release"
    deadline_s: Annotated[float, Meta(ge=0.05, le=10, description="seconds, from 0.05 to 10")] = 2.0
    report_s: Patience = 90.0
    unreported: Literal["refund", "charge"] = "refund"
    furnish: bool = False


class SmsControl(Struct, frozen=True, forbid_unknown_fields=True):
    """``[sms_control]``; without the table dialogues for messages are refused.

    Which of them are treated so is decided by the conditions for calls, with their reasons; where one does
    not hold the message goes on.

    Attributes:
        service_keys: of the subscribers' SMS-CSIs.
        originating: what becomes of a message that a subscriber sends: it goes on, is sent to ``smsc``
            (ConnectSMS), or is refused (ReleaseSMS).
        terminating: what becomes of a message to a subscriber (CAP v4): it goes on, or is refused.
        smsc: the VoIP side's service centre, E.164.
        charging: see `SmsCharging`; None: nobody pays.
    """

    service_keys: tuple[Annotated[int, Meta(ge=0, le=MAX_SERVICE_KEY)], ...] = (100,)
    originating: Literal["continue", "steer", "bar"] = "continue"
    terminating: Literal["continue", "bar"] = "continue"
    smsc: GlobalTitle | None = None
    charging: SmsCharging | None = None

    def faults(self) -> Iterator[Fault]:
        """Yield a service centre that is missing, service keys that are, tariffs of one prefix."""
        if self.originating == "steer" and self.smsc is None:
            yield Fault("smsc", 'required by originating = "steer"')
        if not self.service_keys:
            yield Fault("service_keys", "one or more are needed")
        prefixes: dict[str, int] = {}
        for index, tariff in enumerate(() if self.charging is None else self.charging.tariffs):
            first = prefixes.setdefault(tariff.prefix, index)
            if first != index:
                yield Fault(f"charging.tariffs[{index}].prefix", f"charging.tariffs[{first}] has it already")
