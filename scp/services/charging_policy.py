"""Who pays for a call under control, and what the operator wants: ``[services.NAME.charging]``."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from scp.domain.call import Trigger
from scp.services.idp import calling_e164, party_e164
from ss7.cause import Cause, Location

if TYPE_CHECKING:
    from scp.domain.call import CallFacts
    from scp.domain.numbers import Numbering
    from ss7.cap.types import InitialDPArg

Prefix: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{1,15}\Z", description="1 to 15 digits")]


class Payer(StrEnum):
    """Whose calls are charged."""

    CALLER = "caller"  # an originating call, to the calling subscriber
    FORWARDER = "forwarder"  # a forwarded call, to the subscriber who forwards it
    ROAMER = "roamer"  # a terminating call to a subscriber who roams, to that one


class ForwardedBy(StrEnum):
    """What tells a forwarded call from one that is originated: the detection point is the same."""

    REDIRECTING_NUMBER = "redirecting-number"
    REDIRECTION_INDICATOR = "redirection-indicator"
    ABSENT_LOCATION = "absent-location"  # the switch of a subscriber who forwards knows no location


class ChargingPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """The settings; seconds, if nothing else is said.

    Attributes:
        pays: whose calls are charged; the others are controlled without.
        forwarded_by: what tells a forwarded call.
        free: prefixes of called numbers, E.164 or as dialled, that cost nothing.
        barred: prefixes of called numbers that are not connected.
        first_s: the first quota.
        next_s: each further quota.
        least_s: fewer seconds than these are no first quota.
        withheld_s: how many are kept back until the money ends; less than both quotas. They are the call's
            last, with a warning tone at their beginning.
        prefetch_s: how long before the end of a period the next quota is asked for, so that the switch gets
            it at once when it has reported; 0: when the report is there.
        warning_s: how long before the end the caller is warned; 0: not. Where CAP v4 says it, that is.
        longest_s: the longest that a call may last.
        denial_cause: Q.850 cause of a call that can't be paid, or is barred.
        announce: the announcement that its caller hears before it is released; "": none.
        down: what a call gets when charging does not answer: "release" what is granted already, "free" one
            quota after the other, "grace:SECONDS" so many seconds, once.
        deadline_s: how long charging may take for a quota; the switch counts on meanwhile.
        reset_timer_s: what a suspended switch is told to wait meanwhile (ResetTimer).
        unreadable_report: "release" the call, or "continue" as if the period had been used.
        lost_call: what is charged when nobody reports any more: what was "reported", or what was "granted"
            to the switch.
        report_s: how long the last report is waited for.
    """

    pays: tuple[Payer, ...] = (Payer.CALLER, Payer.FORWARDER)
    forwarded_by: ForwardedBy = ForwardedBy.REDIRECTING_NUMBER
    free: tuple[Prefix, ...] = ()
    barred: tuple[Prefix, ...] = ()
    first_s: Annotated[int, Meta(ge=1, le=86_400)] = 120
    next_s: Annotated[int, Meta(ge=1, le=86_400)] = 120
    least_s: Annotated[int, Meta(ge=1, le=86_400)] = 1
    withheld_s: Annotated[int, Meta(ge=0, le=1_200)] = 30
    prefetch_s: Annotated[int, Meta(ge=0, le=600)] = 0
    warning_s: Annotated[int, Meta(ge=0, le=1_200)] = 30
    longest_s: Annotated[int, Meta(ge=1, le=86_400)] = 14_400
    denial_cause: Annotated[int, Meta(ge=1, le=127)] = 31
    announce: str = ""
    down: Annotated[
        str,
        Meta(
            pattern=r"^(release|free|grace:[1-9][0-9]{0,4})\Z", description="release, free, or grace:SECONDS"
        ),
    ] = "grace:60"
    deadline_s: Annotated[float, Meta(ge=0.1, le=60)] = 5.0
    reset_timer_s: Annotated[int, Meta(ge=1, le=1_800)] = 10
    unreadable_report: Literal["release", "continue"] = "release"
    lost_call: Literal["reported", "granted"] = "reported"
    report_s: Annotated[float, Meta(ge=0.1, le=60)] = 5.0

    @property
    def grace_s(self) -> int:
        """Seconds that are given while charging is away; 0: none."""
        kind, _, seconds = self.down.partition(":")
        return int(seconds) if kind == "grace" else 0

    def checked(self) -> ChargingPolicy:
        """Return itself; raise ``ValueError("KEY: what is wrong")`` for settings that don't go together."""
        least = min(self.first_s, self.next_s)
        if self.withheld_s >= least:
            raise ValueError(f"charging.withheld_s: must be less than the quotas, of which one has {least} s")
        if self.prefetch_s and self.prefetch_s >= least - self.withheld_s:
            period = least - self.withheld_s
            raise ValueError(f"charging.prefetch_s: must be less than a period, of which one has {period} s")
        if self.least_s > self.first_s:
            raise ValueError("charging.least_s: must not be more than first_s")
        if self.longest_s < self.first_s:
            raise ValueError("charging.longest_s: must not be less than first_s")
        return self


class Paid(Struct, frozen=True, gc=False, array_like=True):
    """Who pays for a call, and what for.

    Attributes:
        account: MSISDN of the subscriber that pays.
        a_number: calling party, E.164.
        b_number: what the tariff goes by: the called party, E.164; of a roamer the number of the VLR.
        called_pays: the called party's leg is charged.
    """

    account: str
    a_number: str
    b_number: str
    called_pays: bool = False


def denial(cause: int) -> bytes:
    """Return ReleaseCall's argument for a Q.850 cause."""
    return Cause(cause, Location.LOCAL_PUBLIC_NETWORK).encode()


def listed(prefixes: tuple[str, ...], facts: CallFacts) -> bool:
    """Return whether the called number begins with one of these, in E.164 or as it was dialled."""
    return bool(prefixes) and (facts.e164.startswith(prefixes) or facts.digits.startswith(prefixes))


def paid_by(
    idp: InitialDPArg, facts: CallFacts, numbering: Numbering, policy: ChargingPolicy, roaming: bool
) -> Paid | None:
    """Return who pays for a call, None if nobody does.

    Args:
        idp: the request.
        facts: of the call.
        numbering: the home numbering plan.
        policy: the operator's.
        roaming: whether the called subscriber of a terminating call roams.
    """
    caller = calling_e164(idp, numbering)
    forwarder = party_e164(idp.redirecting_party_id, numbering)
    forwarded = _forwarded(idp, policy.forwarded_by)
    return payer(facts, policy, caller, forwarder, roams=roaming, forwarded=forwarded)


def payer(
    facts: CallFacts,
    policy: ChargingPolicy,
    caller: str,
    forwarder: str,
    *,
    roams: bool,
    forwarded: bool | None = None,
) -> Paid | None:
    """Return who pays for a call, None if nobody does.

    Args:
        facts: of the call.
        policy: the operator's.
        caller: calling party, E.164; "" if not known.
        forwarder: who diverted the call last, E.164; "" if not known.
        roams: whether the called subscriber of a terminating call roams.
        forwarded: whether one that is not terminating is forwarded; None: as the trigger says.
    """
    if forwarded is None:
        forwarded = facts.trigger is Trigger.FORWARDED
    if facts.trigger is Trigger.TERMINATING:
        if Payer.ROAMER not in policy.pays or not roams or not facts.e164:
            return None
        return Paid(facts.e164, caller, _shared(facts.vlr), called_pays=True)
    if forwarded:
        if Payer.FORWARDER not in policy.pays or not forwarder:
            return None
        return Paid(forwarder, caller, facts.e164)
    if Payer.CALLER not in policy.pays or not caller:
        return None
    return Paid(caller, caller, facts.e164)


@lru_cache(maxsize=4096)
def _shared(number: str) -> str:
    """Return one object for all calls of this number: VLRs are few, and their calls are held for minutes."""
    return number


def _forwarded(idp: InitialDPArg, by: ForwardedBy) -> bool:
    """Return whether a call that is not terminating is forwarded."""
    if by is ForwardedBy.REDIRECTING_NUMBER:
        return idp.redirecting_party_id is not None
    if by is ForwardedBy.REDIRECTION_INDICATOR:
        return idp.redirection_information is not None
    return idp.location_information is None


GRANTED: Final = "granted"
"""`ChargingPolicy.lost_call`."""
