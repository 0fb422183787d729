"""The configuration: TOML in, checked values out.

`load` and `loads` read everything, collect every fault with the path of its key, and raise one `ConfigError`.
`EXAMPLE` is a commented file with every key; `describe` says what a node with a configuration would do.

This package imports nothing of the project but `scp.domain` and `ss7.pointcode`, so that every room at or
above the ports may use it.
"""

from scp.config.example import EXAMPLE
from scp.config.load import load, loads
from scp.config.model import (
    Api,
    ApiKey,
    Charging,
    Chf,
    Config,
    Engine,
    M3ua,
    NetworkIndicator,
    Node,
    Peer,
    PeerRole,
    PeerTimers,
    Sccp,
    Scope,
    Store,
    Telemetry,
    TrafficMode,
)
from scp.config.plan import Endpoint, describe, endpoints
from scp.config.reader import ConfigError, Fault
from scp.config.values import HostPort, PointCode, Secret

__all__ = [
    "EXAMPLE",
    "Api",
    "ApiKey",
    "Charging",
    "Chf",
    "Config",
    "ConfigError",
    "Endpoint",
    "Engine",
    "Fault",
    "HostPort",
    "M3ua",
    "NetworkIndicator",
    "Node",
    "Peer",
    "PeerRole",
    "PeerTimers",
    "PointCode",
    "Sccp",
    "Scope",
    "Secret",
    "Store",
    "Telemetry",
    "TrafficMode",
    "describe",
    "endpoints",
    "load",
    "loads",
]
