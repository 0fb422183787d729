"""Sink for operator-visible events."""

from __future__ import annotations

from typing import Any


class EventLog:
    """Where a node says what happens; the log is one."""

    def link(self, name: str, what: str, trouble: bool) -> None:
        """Something happened to a link."""

    def charging(self, what: str, trouble: bool, *, wanted: bool = True) -> None:
        """Charging, or the keeping of CDRs, began to fail or works again; ``wanted``: this node charges."""

    def journal(self, trouble: str) -> None:
        """The store of held calls began to fail, in words, or works again ("")."""

    def messages(self, what: str, trouble: bool) -> None:
        """The SMSC, or the store of text messages, began to fail or works again."""

    def watching(self, what: str, *, trouble: bool = False, **fields: Any) -> None:
        """A trace or a recording began or ended; ``fields`` say more."""

    def traced(self, msisdn: str, peer: str, message: dict[str, Any], *, sent: bool) -> None:
        """A message of a traced number's call, decoded; ``sent``: it went out."""

    def duplicates(self, identity: str, others: list[str]) -> None:
        """Other running nodes have this node's identity ("instance 7"): these, or none any more."""

    def arming_failed(self, why: str) -> None:
        """What was done about M-CSIs can't be kept, or the subscribers not be read."""

    def mobility_not_written(self, why: str) -> None:
        """What a VLR told could not be written: the store's words."""

    def pass_not_written(self, why: str) -> None:
        """A pass could not be claimed; its call went on. The store's words."""

    def overload(self, level: int, why: str) -> None:
        """The level of overload is another one (0: none), because of these signals."""

    def service_bug(self, service: str, error: Exception) -> None:
        """A service raised; the call was continued."""
