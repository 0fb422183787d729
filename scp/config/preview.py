"""What a node with a configuration would bind, connect to and use (``camel-scp check``)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from scp.config.node import OtherIndicator
from scp.config.value_types import expired_keys
from scp.domain.switches import ChargedTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scp.config.charging import Charging
    from scp.config.m3ua import Peer
    from scp.config.map import Map
    from scp.config.model import Config
    from scp.config.networks import Network
    from scp.config.switches import Switch


class Endpoint(NamedTuple):
    """A socket: whether we listen or connect, over what, which addresses (``HOST:PORT``), and what for."""

    direction: Literal["listen", "connect"]
    transport: str
    addresses: tuple[str, ...]
    purpose: str


def endpoints(config: Config) -> list[Endpoint]:
    """Return every socket that the node would open, in the order of the configuration."""
    found = [_peer(peer) for peer in config.m3ua.peers]
    if config.messages is not None and config.messages.by == "smpp" and config.messages.smpp is not None:
        there = tuple(str(address) for address in config.messages.smpp.addresses)
        found.append(Endpoint("connect", "tcp", there, "SMSC (SMPP)"))
    if config.api is not None:
        found.append(Endpoint("listen", "tcp", (str(config.api.listen),), "HTTP API"))
    found.append(Endpoint("listen", "tcp", (str(config.telemetry.metrics),), "metrics"))
    shared = not config.store.url.reveal().startswith("sqlite:")
    if config.journal.enabled and config.journal.listen is not None and shared:
        found.append(Endpoint("listen", "tcp", (str(config.journal.listen),), "other nodes"))
    return found


def _peer(peer: Peer) -> Endpoint:
    purpose = f"M3UA peer {peer.name} ({peer.role})"
    if peer.role.listens:
        here = tuple(_address(host, peer.port) for host in peer.local or ("",))
        return Endpoint("listen", peer.transport, here, purpose)
    there = tuple(_address(host, peer.port) for host in peer.remote)
    return Endpoint("connect", peer.transport, there, purpose)


def describe(config: Config) -> str:
    """Return in words, a line each, what the node would be and do. No secret is shown."""
    node = config.node
    lines = [f"node {node.name}, instance {node.instance}"]
    for name, network in config.every_network().items():
        lines += _network(config, name, network)
    for name, table in config.services.items():
        keys = ", ".join(str(key) for key in table["service_keys"])
        lines.append(f"service {name}: service keys {keys}{_paid(table.get('charging'))}")
    lines.append(
        f"store {config.store.url.url}: deadline {config.store.deadline_ms} ms, "
        f"on failure {config.store.on_failure}; every call is answered within "
        f"{config.engine.answer_deadline_ms} ms"
    )
    if config.announcements:
        known = ", ".join(f"{name} ({each.id})" for name, each in config.announcements.items())
        lines.append(f"announcements that switches play: {known}")
    lines += [_switch(name, switch) for name, switch in config.switches.items()]
    lines.append(_journal(config))
    lines.append(_charging(config))
    if config.map is not None:
        lines += _map(config, config.map)
    if (sms := config.sms_control) is not None:
        keys = ", ".join(str(key) for key in sms.service_keys)
        lines.append(
            f"short messages under control, service keys {keys}: sent ones {sms.originating}"
            f"{f' to {sms.smsc}' if sms.originating == 'steer' else ''}, received ones {sms.terminating}"
        )
        if (paid := sms.charging) is not None:
            lines.append(
                f"short messages that are paid for: {', '.join(paid.pays)}, by "
                f"{_who(config.charging) or f'{len(paid.tariffs)} tariffs'}; "
                f"unreported ones: {paid.unreported}"
            )
    if (messages := config.messages) is not None:
        doubt = "reported" if messages.in_doubt == "report" else "sent again"
        how = "MAP" if messages.by == "map" or messages.smpp is None else f"SMPP as {messages.smpp.system_id}"
        lines.append(
            f"text messages from {messages.sender} by {how}, in doubt: {doubt}; "
            f"kept {messages.retention_days} days"
        )
    if config.api is None:
        lines.append("no HTTP API: there is no [api]")
    elif not config.api.keys:
        lines.append("HTTP API without keys: every request will be refused")
    else:
        lines += expired_keys(config.api.keys, time.time() * 1000)
    if (recording := config.recording) is not None:
        what = ", ".join(recording.numbers) or "every message"
        how = "masked" if recording.mask else "with numbers in full"
        lines.append(
            f"records {what} of {', '.join(recording.peers) or 'all peers'} to {recording.folder}, {how}"
        )
    for endpoint in endpoints(config):
        verb = "listens on" if endpoint.direction == "listen" else "connects to"
        lines.append(f"{verb} {endpoint.transport} {', '.join(endpoint.addresses)}: {endpoint.purpose}")
    return "\n".join(lines)


def _network(config: Config, name: str, network: Network) -> Iterator[str]:
    """Yield what the node is in a network, and which peers lead there if there are several networks."""
    codes = ", ".join(f"{code} ({int(code)})" for code in (network.point_code, *network.also))
    others = "answered with it" if network.other_network_indicator is OtherIndicator.ANSWER else "discarded"
    if config.networks:
        peers = ", ".join(peer.name for peer in config.m3ua.peers if name in peer.networks) or "no peer"
        yield f"network {name}, by {peers}:"
    yield f"point code {codes}, network indicator {network.network_indicator} (DATA with another: {others})"
    ssns = ", ".join(map(str, network.ssns))
    callers = ", ".join(network.allowed_callers or ()) or "all"
    yield f"SSN {ssns}, global title {network.global_title or 'as called'}, callers {callers}"


def _switch(name: str, switch: Switch) -> str:
    """Return whose a profile is, and what it says."""
    whose = (
        *(f"point code {code}" for code in switch.point_codes),
        *(f"global title {digits}…" for digits in switch.global_titles),
        *(f"MSC number {digits}…" for digits in switch.msc_numbers),
    )
    odd = [f"charged time {switch.charged_time}"] if switch.charged_time != ChargedTime.SINCE_ANSWER else []
    odd += [] if switch.abandon_report else ["no charging report of abandoned calls"]
    return f"switches {name} ({', '.join(whose)}): {', '.join(odd) or 'as 29.078 has it'}"


def _map(config: Config, settings: Map) -> Iterator[str]:
    """Yield who is asked where subscribers are, by whom, and what VLRs may tell."""
    asking = [name for name, table in config.services.items() if table.get("ask_hlr", "off") != "off"]
    whom = f"the HLR {settings.hlr}" if settings.hlr else "each subscriber's HLR"
    yield (
        f"MAP, SSN {settings.ssn}: {whom} is asked through {settings.gateway} "
        f"by {', '.join(asking) or 'no service: none has ask_hlr'}, within {settings.deadline_ms} ms; "
        f"places are remembered {settings.max_age_s:g} s"
    )
    if settings.mobility:
        tells = ", ".join(f"{each}…" for each in settings.allowed_callers) or "all callers"
        armed = "by hand"
        if (arming := settings.arming) is not None:
            url = config.store.url if arming.state is None else arming.state
            where = "its own file" if url.reveal().startswith("sqlite:") else "Redis, which nodes share"
            armed = f"by the node, known in {where}"
        yield f"moves that VLRs tell of are taken, of {tells}; M-CSIs are armed {armed}"


def _paid(policy: object) -> str:
    """Return in words what of a service's ``charging`` was set, "" without the table."""
    if not isinstance(policy, dict):
        return ""
    given = ", ".join(f"{key} {value}" for key, value in policy.items())
    return f"; calls are charged: {given or 'with all defaults'}"


def _journal(config: Config) -> str:
    journal = config.journal
    if not journal.enabled:
        return "held calls end with this process: journal.enabled is false"
    words = f"held calls are journalled in the store, within {journal.deadline_ms} ms"
    if journal.listen is None and not config.store.url.reveal().startswith("sqlite:"):
        words += "; without journal.listen a message that comes to another node takes its call there"
    return words


def _who(charging: Charging) -> str:
    """Return which other system charges, "" if none does."""
    return "" if charging.elsewhere is None else f"the {charging.elsewhere[0]}"


def _charging(config: Config) -> str:
    charging = config.charging
    if charging.elsewhere is not None:
        who = f"by {_who(charging)} at {charging.elsewhere[1]}"
    elif charging.tariffs:
        count = len(charging.tariffs)
        who = f"by {count} tariff{'s' if count > 1 else ''} in {charging.currency}"
    else:
        who = "denied: there are no tariffs" if _charges(config) else ""
    kept = f"kept {charging.retention_days} days" if charging.call_records else "not made of call attempts"
    return f"{f'reservations {who}; ' if who else ''}call detail records {kept}"


def _charges(config: Config) -> bool:
    """Whether calls or short messages are to be paid for, or a key of the API may reserve money for some."""
    api = config.api
    return (
        any("charging" in table for table in config.services.values())
        or (config.sms_control is not None and config.sms_control.charging is not None)
        or (api is not None and any("charging" in key.scopes for key in api.keys))
    )


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host or '*'}:{port}"
