"""The configuration: TOML in, checked values out.

`load` and `loads` read everything, collect every fault with the path of its key, and raise one `ConfigError`.
`EXAMPLE` is a commented file with every key; `describe` says what a node with a configuration would do.

This package imports nothing of the project but `scp.domain` and `ss7.pointcode`, so that every room at or
above the ports may use it.
"""

from scp.config.api import Api, ApiKey, Scope, Tls
from scp.config.charging import Charging, Chf, Ro
from scp.config.engine import Engine, Journal, Limits, Overload, Store
from scp.config.example import EXAMPLE
from scp.config.load import load, loads
from scp.config.m3ua import M3ua, Peer, PeerRole, PeerSctp, PeerTimers, RoutingKey, TrafficMode
from scp.config.messages import Messages, MessagesByMap, Smpp, SmppTls
from scp.config.model import Config
from scp.config.networks import Network
from scp.config.node import NetworkIndicator, Node, OtherIndicator, Telemetry
from scp.config.preview import Endpoint, describe, endpoints
from scp.config.reader import ConfigError, Fault
from scp.config.recording import Recording
from scp.config.sccp import Sccp, Translation
from scp.config.sms_control import SmsControl
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
    "Journal",
    "Limits",
    "M3ua",
    "Messages",
    "MessagesByMap",
    "Network",
    "NetworkIndicator",
    "Node",
    "OtherIndicator",
    "Overload",
    "Peer",
    "PeerRole",
    "PeerSctp",
    "PeerTimers",
    "PointCode",
    "Recording",
    "Ro",
    "RoutingKey",
    "Sccp",
    "Scope",
    "Secret",
    "Smpp",
    "SmppTls",
    "SmsControl",
    "Store",
    "Telemetry",
    "Tls",
    "TrafficMode",
    "Translation",
    "describe",
    "endpoints",
    "load",
    "loads",
]
