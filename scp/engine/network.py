"""SS7 networks: a point code means something within one network only, told by the network indicator."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, final

from scp.stack.sccp import Sccp

INDICATORS: Final = ("international", "spare", "national", "reserved")
"""Names of the network indicators (Q.704 §14.2.2)."""


@final
class Ss7Network:
    """A network that the node stands in: its indicator, and our SCCP in it.

    Args:
        sccp: with our addresses in it.
        indicator: network indicator of its messages, 0 to 3.
        name: in the configuration.
        answers_others: whether DATA with another indicator is taken, and answered with that one.

    Attributes:
        configured: itself; of a network of `with_indicator`: the one that it was made from.
    """

    def __init__(
        self, sccp: Sccp, indicator: int = 0, name: str = "default", *, answers_others: bool = True
    ) -> None:
        self.sccp: Final = sccp
        self.indicator: Final = indicator
        self.name: Final = name
        self.configured: Ss7Network = self
        self._answers_others = answers_others
        self._others: dict[int, Ss7Network] = {}

    def with_indicator(self, indicator: int) -> Ss7Network | None:
        """Return the network with the same addresses and another indicator; None: it is not served.

        Segments, status tests and returned messages are its own, so all that is sent has its indicator.
        """
        if not self._answers_others:
            return None
        other = self._others.get(indicator)
        if other is None:
            settings = replace(self.sccp.settings, concerned=())  # their point codes are in this network
            other = Ss7Network(Sccp(settings, self.sccp.local_reference), indicator, self.name)
            other.configured = self
            self._others[indicator] = other
        return other
