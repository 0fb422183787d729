"""Kamailio's settings out of ``voip.toml``: what deploy/kamailio/kamailio.cfg includes."""

from __future__ import annotations

import hashlib
import re
import secrets
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scp.voip.config import VoipConfig


GATEWAY_MS: Final = 2000
"""A gateway that has said nothing by then is down."""

MOST_BRAINS: Final = 16
"""Connections that evapi takes."""
RETELL_SECONDS: Final = 20
"""After which a call's end that no brain has kept is told again."""
SILENT_SECONDS: Final = 12
"""A brain that has said nothing for as long hangs: each asks for counters every 5 s (`scp.voip.brain`)."""
SYNC_SECONDS: Final = 2
"""Within which a Kamailio that was started has from the others what they know."""
SYNC_MOST: Final = 12
"""Within which it has that where machine or network are busy: a BYE of an unknown call waits for it."""


def settings(config: VoipConfig) -> str:
    """Return the contents of ``settings.cfg``."""
    lines = ["# Made by `camel-scp voip kamailio-config` of voip.toml: change that, and make this anew."]
    lines += [f'#!substdef "!{name}!{_escaped(value)}!g"' for name, value in _values(config)]
    lines += [f"#!define {name}" for name in _switches(config)]
    lines += [f"#!define FROM_TRUNK ({_from_trunk(config)})"]
    lines += [f"#!define TO_TRUNK ({_to_trunk(config)})"]
    lines += [f"#!define FROM_PEER ({_from_peer(config)})"]
    advertise = f" advertise {config.sip.advertise}" if config.sip.advertise else ""
    lines += [f"listen={_as_listened(one)}{advertise}" for one in config.sip.listen]
    if config.sip.peers:
        lines += [f"listen={config.sip.replication}"]
    lines += [f'alias="{config.voip.domain}"', f"children={config.sip.workers}"]
    return "\n".join(lines) + "\n"


def _values(config: VoipConfig) -> Iterator[tuple[str, str]]:
    sip, numbering = config.sip, config.numbering
    trunk = config.outward
    brain = sip.brain
    yield "VOIP_DOMAIN", config.voip.domain
    yield "BRAIN_ADDRESS", f"{brain.host or '0.0.0.0'}:{brain.port}"  # noqa: S104 - what ":8448" asks for
    yield "DECISION_MS", str(sip.decision_ms)
    yield "RUN_FOLDER", sip.run_folder
    yield "REGISTER_EXPIRES", str(sip.register_s)
    yield "REGISTER_MINIMUM", str(min(sip.register_least_s, sip.register_s))
    yield "DIGEST_ALGORITHM", "MD5"  # what every phone speaks; SHA-256 few (RFC 8760)
    yield "CREDENTIALS_CACHED", str(max(3600, 2 * sip.register_s))
    yield "WRONG_DIGESTS", str(sip.wrong_digests)
    yield "REQUESTS_DENSITY", str(2 * sip.requests_per_second)  # pike counts 2 s together
    yield "GATEWAY_TARGET", trunk.target if trunk is not None else "invalid.invalid"
    yield "GATEWAY_MS", str(GATEWAY_MS)
    yield "RING_SECONDS", str(config.calls.ring_s)
    yield "MARK_PREFIX", config.calls.mark or "[^0-9]{16}"
    yield "INTERNATIONAL_PREFIX", "|".join(map(re.escape, numbering.international_prefixes))
    yield "NATIONAL_PREFIX", re.escape(numbering.national_prefix)
    yield "EMERGENCY_NUMBERS", "|".join(map(re.escape, sorted(config.rules.emergency))) or "[^0-9]{16}"
    yield "COUNTRY_CODE", numbering.country_code
    yield "DIALOG_KEY", _dialog_key(config)
    yield "HIDE_KEY", sip.hide_key.reveal() if sip.hide_key is not None else ""
    yield "MOST_BRAINS", str(MOST_BRAINS)
    yield "RETELL_SECONDS", str(RETELL_SECONDS)
    yield "SILENT_SECONDS", str(SILENT_SECONDS)
    yield "DMQ_SOCKET", sip.replication
    yield "DMQ_ADDRESS", f"sip:{sip.replication.partition(':')[2]}"
    for number, peer in enumerate(sip.peers, 1):
        yield f"DMQ_PEER_{number}", f"sip:{peer.partition(':')[2]}"
    yield "SYNC_SECONDS", str(SYNC_SECONDS)
    yield "SYNC_MOST", str(SYNC_MOST)
    yield "TLS_CERTIFICATE", sip.tls_certificate
    yield "TLS_KEY", sip.tls_key


def _dialog_key(config: VoipConfig) -> str:
    """Return the key of what Record-Route tells both ends of a call, so that nobody else speaks for them.

    The same at each start, and at each Kamailio with the same secret; of a file without secrets it is drawn.
    """
    secret = config.sip.hide_key or (config.scp.token if config.scp is not None else None)
    text = secret.reveal() if secret is not None else secrets.token_hex()
    return hashlib.sha256(f"in dialogs:{text}".encode()).hexdigest()[:32]


def _switches(config: VoipConfig) -> Iterator[str]:
    kinds = {one.partition(":")[0] for one in config.sip.listen}
    if config.sip.hide_key is not None:
        yield "WITH_HIDING"
    if config.sip.peers:
        yield "WITH_PEERS"
        yield from (f"WITH_PEER_{number}" for number in range(2, len(config.sip.peers) + 1))
    if kinds & {"tls", "wss"}:
        yield "WITH_TLS"
    if kinds & {"ws", "wss"}:
        yield "WITH_WEBSOCKET"


def _from_trunk(config: VoipConfig) -> str:
    """Return Kamailio's expression for "it came by a trunk"; without trunks it never holds."""
    networks = [network for trunk in config.trunks for network in trunk.addresses]
    return " or ".join(f"src_ip=={network}" for network in networks) or "src_ip==0.0.0.0"


def _to_trunk(config: VoipConfig) -> str:
    """Return Kamailio's expression for "it goes to a trunk"."""
    networks = [network for trunk in config.trunks for network in trunk.addresses]
    networks += [trunk.host for trunk in config.trunks if trunk.host is not None and _is_address(trunk.host)]
    each = (
        f'is_in_subnet("$sndto(ip)", "{one}")' if "/" in one else f'$sndto(ip) == "{one}"'
        for one in dict.fromkeys(networks)
    )
    return " or ".join(each) or '$sndto(ip) == ""'


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _from_peer(config: VoipConfig) -> str:
    """Return Kamailio's expression for "another Kamailio of ours sent it"."""
    hosts = [one.split(":", 1)[1].rpartition(":") for one in config.sip.peers]
    each = (f"(src_ip=={host} and src_port=={port})" for host, _, port in hosts)
    return " or ".join(each) or "src_ip==0.0.0.0"


def _as_listened(listen: str) -> str:
    kind, _, address = listen.partition(":")
    return f"{ {'ws': 'tcp', 'wss': 'tls'}.get(kind, kind) }:{address}".replace(" ", "")


def _escaped(value: str) -> str:
    """Return a value for a substitution whose separator is "!"."""
    return value.replace("\\", "\\\\").replace("!", "\\!").replace('"', '\\"')
