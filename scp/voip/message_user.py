"""What the brain tells of text messages, as a protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from scp.voip.evapi import Evapi
    from scp.voip.messages import Delivered, MessageAsked


class MessageUser(Protocol):
    """What hears of text messages."""

    def registered(self, msisdn: str, device: str) -> None:
        """A device has registered for an identity."""
        ...

    async def asked(self, link: Evapi, asked: MessageAsked) -> None:
        """A device sends one; to be answered by `Taken`."""
        ...

    async def delivered(self, link: Evapi, done: Delivered) -> None:
        """A device has answered one."""
        ...
