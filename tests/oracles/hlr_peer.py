"""The simulated HLR behind a node of a test, as the node's configuration has it."""

from __future__ import annotations

from typing import Final

from scp.simulator.network import Network

HLR: Final = Network(point_code=190, global_title="46700000006", scp_ssn=147)
"""How an HLR reaches the node, whose point code is 0-23-1."""
_TABLES: Final = """
[[m3ua.peers]]
name = "hlr"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {port}
destinations = ["0-23-6"]
[map]
gateway = "0-23-6"
"""


def with_hlr(port: int, more: str = "") -> str:
    """Return the tables of an HLR that connects to a TCP port; ``more`` are further lines of ``[map]``."""
    return _TABLES.format(port=port) + more
