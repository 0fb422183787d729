"""An announcement that a switch plays: which message, how often, and for how long."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Announcement(Struct, frozen=True, forbid_unknown_fields=True):
    """``[announcements] NAME``.

    Attributes:
        id: of the message, as the switch (its gsmSRF) knows it: elementaryMessageID.
        repetitions: how often it is played.
        duration_s: how long it is played and repeated at most; None: to its end.
        interval_s: the pause before a repetition.
        cause: Q.850 cause of a call that is released after it, if other than the usual one.
        patience_s: how long its end is waited for; then the call goes on.
        srf: number of an external gsmSRF that plays it, E.164 digits; "": the switch's own plays it.
    """

    id: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    repetitions: Annotated[int, Meta(ge=1, le=127)] = 1
    duration_s: Annotated[int, Meta(ge=1, le=32_767)] | None = None
    interval_s: Annotated[int, Meta(ge=0, le=32_767)] = 0
    cause: Annotated[int, Meta(ge=1, le=127)] | None = None
    patience_s: Annotated[float, Meta(ge=1, le=600)] = 30.0
    srf: Annotated[str, Meta(pattern=r"^([0-9]{1,15})?\Z", description="1 to 15 digits (E.164)")] = ""
