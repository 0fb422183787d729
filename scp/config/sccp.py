"""``[sccp]``: our subsystem, who may call it, and where global titles go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from scp.config.reader import Fault
from scp.config.value_types import Caller, GlobalTitle, Seconds, Ssn, each_once, one_or_more
from scp.config.values import PointCode

if TYPE_CHECKING:
    from collections.abc import Iterator


class Translation(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[sccp.translations]]``: where messages to some global titles go (Q.714 §2.4).

    Attributes:
        prefix: of the title's digits; the longest that fits counts, "" fits all.
        point_codes: where to; each behind at least one of the peers.
        mode: "primary-backup" uses the first that can be reached, "loadshare" all of them, by SLS.
    """

    prefix: Annotated[str, Meta(pattern=r"^[0-9]{0,15}\Z", description="0 to 15 digits")]
    point_codes: tuple[PointCode, ...]
    mode: Literal["primary-backup", "loadshare"] = "primary-backup"

    def faults(self) -> Iterator[Fault]:
        """Yield a translation to nowhere."""
        if not self.point_codes:
            yield Fault("point_codes", "one or more are needed")


class Sccp(Struct, frozen=True, forbid_unknown_fields=True):
    """``[sccp]``.

    Attributes:
        ssn: our subsystem, or several in a list; 146 is CAP (23.003 §8.2). A called global title that has no
            SSN is for the first.
        global_title: our own address in answers; without it the received called address is used.
        allowed_callers: who may open dialogues, by the calling address; empty: everybody.
        translations: see `Translation`; what fits none goes back the way that the question came.
        return_on_error: which of our messages ask to be returned if they can't be delivered: "open": those
            that keep a dialogue open, whose return ends it; "always": those that end one as well, for the
            count of discards only.
        concerned: point codes that are told when this node begins to serve (SSA) and when a drain begins
            (SSP), Q.714 §5.3.7. Only where no other node has its point codes: SSP speaks of all of them.
        reassembly_s: how long segments are waited for (T(reassembly), Q.714 §3.8: 10 to 20 s).
    """

    ssn: Ssn | tuple[Ssn, ...] = 146
    global_title: GlobalTitle | None = None
    allowed_callers: tuple[Caller, ...] = ()
    translations: tuple[Translation, ...] = ()
    return_on_error: Literal["never", "open", "always"] = "open"
    concerned: tuple[PointCode, ...] = ()
    reassembly_s: Seconds = 15.0

    @property
    def ssns(self) -> tuple[int, ...]:
        """`ssn`, however it was written."""
        return one_or_more(self.ssn)

    def faults(self) -> Iterator[Fault]:
        """Yield an empty list of subsystems, and callers that look like point codes but are none."""
        yield from each_once("ssn", self.ssns)
        yield from caller_faults(self.allowed_callers)


def caller_faults(allowed: tuple[str, ...]) -> Iterator[Fault]:
    """Yield callers that look like point codes but are none."""
    for index, caller in enumerate(allowed):
        if "-" in caller:
            try:
                PointCode.parse(caller)
            except ValueError as error:
                yield Fault(f"allowed_callers[{index}]", str(error))
