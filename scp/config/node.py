"""``[node]`` and ``[telemetry]``: the identity of this process, and how it shows what it does."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from scp.config.value_types import Name
from scp.config.values import HostPort, PointCode


class NetworkIndicator(StrEnum):
    """Of the service information octet (Q.704 §14.2.2)."""

    INTERNATIONAL = "international"
    SPARE = "spare"
    NATIONAL = "national"
    RESERVED = "reserved"

    @property
    def code(self) -> int:
        """The two bits on the wire: 0 international, 1 spare, 2 national, 3 reserved."""
        return _NI_CODES[self]


_NI_CODES: Final = {indicator: code for code, indicator in enumerate(NetworkIndicator)}


class OtherIndicator(StrEnum):
    """What becomes of DATA whose network indicator is not that of its network."""

    ANSWER = "answer"
    DISCARD = "discard"


class Node(Struct, frozen=True, forbid_unknown_fields=True):
    """``[node]``: the identity of this process.

    Attributes:
        point_code: our own.
        also: further point codes that are ours; what comes to one is answered from it.
        name: in logs, in ``/health``, in ids and files of CDRs; unique among the nodes of one Redis.
        instance: part of every TCAP transaction id; unique among the running processes of one address.
        network_indicator: of our network (Q.704 §14.2.2).
        other_network_indicator: what becomes of DATA with another one: "answer" takes it and answers with the
            indicator that it came with, "discard" discards it. Both are counted and reported.
        guardian: whether a second process stands by that answers the calls of one that is killed.
    """

    point_code: PointCode
    also: tuple[PointCode, ...] = ()
    name: Name = "camel-scp"
    instance: Annotated[int, Meta(ge=0, le=255)] = 0
    network_indicator: NetworkIndicator = NetworkIndicator.INTERNATIONAL
    other_network_indicator: OtherIndicator = OtherIndicator.ANSWER
    guardian: bool = True


class Telemetry(Struct, frozen=True, forbid_unknown_fields=True):
    """``[telemetry]``.

    Attributes:
        metrics: where Prometheus scrapes.
        log_level: "debug" has a line for every call, "info" for as many as `calls_per_second` says, and for
            those that failed, "warning" for these only.
        calls_per_second: calls that did not fail, at "info".
        mask_numbers: subscribers' numbers are shown in logs by their first four digits only.
        unmask_traced: but a number that is traced is shown in full in its own trace.
    """

    metrics: HostPort = HostPort("127.0.0.1", 9464)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    calls_per_second: Annotated[float, Meta(ge=0, le=1_000_000, description="calls a second")] = 10.0
    mask_numbers: bool = True
    unmask_traced: bool = False
