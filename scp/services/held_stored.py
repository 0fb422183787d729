"""A call under control as it is journalled, read again: MessagePack arrays, in which new items come last."""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct, msgpack
from msgspec.structs import astuple

from scp.domain.meter import Meter
from scp.services.call_control import Phase
from scp.services.charge_control import Money
from scp.services.charging_policy import Paid
from scp.services.held_call import HeldCall


class StoredMeter(Struct, array_like=True, frozen=True, gc=False):
    """What `Meter.values` returned."""

    granted: int = 0
    last: bool = False
    at: int = 0
    since: int = 0
    before: tuple[tuple[int, int], ...] = ()
    mark: int = -1
    passed: int = 0
    switch_at: int = 0
    allowed: int = 0
    pending: bool = False
    releasing: bool = False
    answered: int = 0
    zone: int = 0


class StoredCall(Struct, array_like=True, frozen=True, gc=False):
    """What `HeldCall.values` returned."""

    phase: Phase = Phase.PLAIN
    reason: int = -1
    money: Money = Money.FREE
    meter: StoredMeter = StoredMeter()
    session: str = ""
    paid: Paid | None = None
    reserved: bool = False
    grace: bool = False
    unreported: bool = False
    tested: bool = False
    tariff: str = ""
    held: int = 0
    told: int = 0
    due_ms: int = 0
    number: str = ""
    cleared_ms: int = 0
    missed: bool = False
    informs: Annotated[int, Meta(ge=0, le=255)] = 0
    connected: int = 0
    owes: bool = False
    before: StoredMeter | None = None
    undated: bool = False


_decode: Final = msgpack.Decoder(StoredCall).decode


def read_held(octets: bytes) -> HeldCall:
    """Return the call; raises `msgspec.MsgspecError` for octets that are none."""
    stored = _decode(octets)
    values = list(astuple(stored))
    values[_METER] = Meter(*astuple(stored.meter))
    values[_BEFORE] = None if stored.before is None else Meter(*astuple(stored.before))
    return HeldCall(*values)


_METER: Final = StoredCall.__struct_fields__.index("meter")
_BEFORE: Final = StoredCall.__struct_fields__.index("before")
