"""``[networks.NAME]``: SS7 networks that the node stands in, beside that of ``[node]`` and ``[sccp]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from msgspec import Meta, Struct
from msgspec.structs import replace

from scp.config.node import NetworkIndicator, Node, OtherIndicator
from scp.config.reader import Fault
from scp.config.sccp import Sccp, Translation, caller_faults
from scp.config.value_types import Caller, Ssn, each_once, one_or_more
from scp.config.values import PointCode

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_NETWORK: Final = "default"
"""Name of the network of ``[node]`` and ``[sccp]``."""

OwnTitle: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9]{0,15}\Z", description="up to 15 digits (E.164, without +)")
]


class Network(Struct, frozen=True, forbid_unknown_fields=True):
    """``[networks.NAME]``: our addresses in one SS7 network.

    A point code means something in one network only, so what has point codes in it is never taken from
    ``[sccp]``.

    Attributes:
        network_indicator: of its messages (Q.704 §14.2.2).
        point_code: our own in it.
        also: further point codes of ours in it; a message to one is answered from it.
        other_network_indicator: as in ``[node]``; None: as there.
        ssn: our subsystem or several; None: as in ``[sccp]``.
        global_title: our address in answers; "": the called address as received; None: as in ``[sccp]``.
        allowed_callers: who may open dialogues; None: as in ``[sccp]``.
        translations: see `Translation`.
        concerned: point codes that get SSA and SSP.
    """

    network_indicator: NetworkIndicator
    point_code: PointCode
    also: tuple[PointCode, ...] = ()
    other_network_indicator: OtherIndicator | None = None
    ssn: Ssn | tuple[Ssn, ...] | None = None
    global_title: OwnTitle | None = None
    allowed_callers: tuple[Caller, ...] | None = None
    translations: tuple[Translation, ...] = ()
    concerned: tuple[PointCode, ...] = ()

    @property
    def ssns(self) -> tuple[int, ...]:
        """`ssn`, however it was written; nothing where it is left to ``[sccp]``."""
        return () if self.ssn is None else one_or_more(self.ssn)

    @property
    def point_codes(self) -> tuple[int, ...]:
        """All that are ours, the one of messages that answer none first."""
        return (self.point_code, *self.also)

    def faults(self) -> Iterator[Fault]:
        """Yield an empty list of subsystems, and callers that look like point codes but are none."""
        if self.ssn is not None:
            yield from each_once("ssn", self.ssns)
        yield from caller_faults(self.allowed_callers or ())

    def over(self, default: Network) -> Network:
        """Return this network with the values of the default network where it has none of its own."""
        return replace(
            self,
            other_network_indicator=self.other_network_indicator or default.other_network_indicator,
            ssn=default.ssn if self.ssn is None else self.ssn,
            global_title=default.global_title if self.global_title is None else self.global_title,
            allowed_callers=default.allowed_callers if self.allowed_callers is None else self.allowed_callers,
        )


def default_network(node: Node, sccp: Sccp) -> Network:
    """Return the network that ``[node]`` and ``[sccp]`` describe."""
    return Network(
        network_indicator=node.network_indicator,
        point_code=node.point_code,
        also=node.also,
        other_network_indicator=node.other_network_indicator,
        ssn=sccp.ssn,
        global_title=sccp.global_title or "",
        allowed_callers=sccp.allowed_callers,
        translations=sccp.translations,
        concerned=sccp.concerned,
    )
