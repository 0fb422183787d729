"""What a subscriber store answers to a lookup: the record, that there is none, or why it can't say."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias

from scp.domain.subscriber import Subscriber


class StoreFailure(StrEnum):
    """Why a lookup has no answer; the values are those of the `scp.domain.reason.Reason`."""

    TIMEOUT = "store-timeout"
    UNAVAILABLE = "store-unavailable"


class Pending:
    """The type of `PENDING`: the answer comes later, to the waiter."""


PENDING: Final = Pending()
Found: TypeAlias = Subscriber | StoreFailure | None
"""The record, None if the store has none, or why the store could not say."""
