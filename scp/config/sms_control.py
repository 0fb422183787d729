"""``[sms_control]``: what becomes of messages about which an MSC or SGSN asks (CAP InitialDPSMS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from scp.config.reader import Fault
from scp.config.services import MAX_SERVICE_KEY
from scp.config.value_types import GlobalTitle

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    """

    service_keys: tuple[Annotated[int, Meta(ge=0, le=MAX_SERVICE_KEY)], ...] = (100,)
    originating: Literal["continue", "steer", "bar"] = "continue"
    terminating: Literal["continue", "bar"] = "continue"
    smsc: GlobalTitle | None = None

    def faults(self) -> Iterator[Fault]:
        """Yield a service centre that is missing, service keys that are."""
        if self.originating == "steer" and self.smsc is None:
            yield Fault("smsc", 'required by originating = "steer"')
        if not self.service_keys:
            yield Fault("service_keys", "one or more are needed")
