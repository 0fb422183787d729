"""What the console's API calls work with."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.console.devices import Devices
    from scp.console.hub import Hub
    from scp.console.sources import Drift
    from scp.ports import CdrStore


@final
class ConsoleContext:
    """A node, as the console sees it.

    Args:
        hub: looks at the node.
        cdrs: the node's records.
        drift: compares the configuration's file with what runs; takes some milliseconds.
        devices: asks the VoIP service; None: nobody has said where it is.
        asks_hlr: whether the node has an HLR to ask.
    """

    def __init__(
        self,
        hub: Hub,
        cdrs: CdrStore,
        drift: Callable[[], Drift],
        devices: Devices | None,
        *,
        asks_hlr: bool,
    ) -> None:
        self.hub = hub
        self.cdrs = cdrs
        self.drift = drift
        self.devices = devices
        self.asks_hlr = asks_hlr
