"""What the gsmSCF can tell a gsmSSF to do with a call, and what the gsmSSF reports, apart from encoding."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from scp.simulator.bcsm import CALLED, CALLING, Event, MonitorMode
from ss7.cap.errors import ErrorCode


class Edp(Struct, frozen=True):
    """One event of RequestReportBCSMEvent; leg 0: not given."""

    event: Event | int
    mode: MonitorMode
    leg: int = 0


class Arm(Struct, frozen=True):
    """RequestReportBCSMEvent."""

    events: tuple[Edp, ...]


class Proceed(Struct, frozen=True):
    """Continue, or Connect with its destination routing address (Q.763 called party number)."""

    destination: bytes = b""


class Release(Struct, frozen=True):
    """ReleaseCall with its cause (Q.850)."""

    cause: int


class Charge(Struct, frozen=True):
    """ApplyCharging: seconds, whether to release the call then, and the party charged."""

    period: float
    release: bool = False
    leg: int = CALLING


class Reset(Struct, frozen=True):
    """ResetTimer: seconds."""

    value: float


class AskInformation(Struct, frozen=True):
    """CallInformationRequest for a leg."""

    leg: int = CALLED
    wanted: tuple[int, ...] = ()


class TestActivity(Struct, frozen=True):
    """ActivityTest."""


class CancelAll(Struct, frozen=True):
    """Cancel with allRequests."""


class Noted(Struct, frozen=True):
    """An operation that changes nothing in the call: FurnishChargingInformation, CallGap."""


class NotPlayed(Struct, frozen=True):
    """An operation that this gsmSSF doesn't have; the error code that says so."""

    code: int = ErrorCode.TASK_REFUSED


Wish: TypeAlias = (
    Arm | Proceed | Release | Charge | Reset | AskInformation | TestActivity | CancelAll | Noted | NotPlayed
)


class Instruction(Struct, frozen=True):
    """One invoked operation."""

    invoke_id: int
    wish: Wish


class EventReport(Struct, frozen=True):
    """EventReportBCSM; cause -1: none."""

    event: Event
    leg: int
    interrupted: bool
    cause: int = -1


class ChargingReport(Struct, frozen=True):
    """ApplyChargingReport: seconds since answer, if the leg is still there, if time released it."""

    elapsed: float
    active: bool
    released: bool
    leg: int


class InformationReport(Struct, frozen=True):
    """CallInformationReport: seconds from routing to answer and from answer to the end, the release cause."""

    leg: int
    wanted: tuple[int, ...]
    attempt: float
    connected: float
    cause: int


class Answered(Struct, frozen=True):
    """The return result of an ActivityTest."""

    invoke_id: int


class Refused(Struct, frozen=True):
    """A return error."""

    invoke_id: int
    code: int


Sending: TypeAlias = EventReport | ChargingReport | InformationReport | Answered | Refused
