"""From a configuration to networks with their SCCP, to settings of TCAP, and to codecs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.config import OtherIndicator
from scp.config.messages import SMSC_SSN
from scp.config.switches import switches
from scp.engine.cap.assist import CONTEXTS_SERVED
from scp.engine.network import Ss7Network
from scp.services.api import NodeSettings
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SccpSettings, Translation
from scp.stack.tcap_settings import TcapSettings
from ss7.cap.codec import ALONE
from ss7.cap.contexts import CALL_CONTROL, REFUSALS
from ss7.cap.contexts import CONTEXTS as CAP_CONTEXTS
from ss7.map.contexts import BY_NUMBER as MAP_CONTEXTS
from ss7.map.contexts import MM_EVENT_REPORTING, SHORT_MSG_ALERT, SUBSCRIBER_DATA_MODIFICATION_NOTIFICATION
from ss7.pointcode import parse_point_code
from ss7.sccp import GlobalTitle

if TYPE_CHECKING:
    from random import Random

    from scp.config import Config, Network
    from ss7.cap.codec import Codec
    from ss7.tcap import TcapCodec


def codecs(name: str) -> tuple[Codec, TcapCodec | None]:
    """Return the CAP codec and the TCAP codec (None: the machine's own) for ``engine.codec``."""
    if name == "fast":
        return ALONE, None
    from ss7.cap.reference import REFERENCE  # noqa: PLC0415 - half a second that only it costs
    from ss7.reference_tcap import REFERENCE_TCAP  # noqa: PLC0415 - as above

    return REFERENCE, REFERENCE_TCAP


def networks_of(config: Config, random: Random) -> list[Ss7Network]:
    """Return the networks of a node, that of ``[node]`` and ``[sccp]`` first."""
    return [
        Ss7Network(
            Sccp(sccp_settings(config, network), random.randrange(1 << 24)),
            network.network_indicator.code,
            name,
            answers_others=network.other_network_indicator is OtherIndicator.ANSWER,
        )
        for name, network in config.every_network().items()
    ]


def sccp_settings(config: Config, network: Network) -> SccpSettings:
    """Return SCCP's settings in a network of `Config.every_network`.

    An allowed caller with a dash is a point code, any other a prefix.
    """
    callers = network.allowed_callers or ()
    return SccpSettings(
        point_codes=network.point_codes,
        ssns=_ssns(config, network),
        global_title=GlobalTitle(network.global_title) if network.global_title else None,
        allowed_prefixes=tuple(caller for caller in callers if "-" not in caller),
        allowed_point_codes=tuple(parse_point_code(each) for each in callers if "-" in each),
        translations=tuple(
            Translation(each.prefix, tuple(each.point_codes), each.mode == "loadshare")
            for each in network.translations
        ),
        return_on_error=config.sccp.return_on_error,
        concerned=tuple(network.concerned),
        t_reassembly=config.sccp.reassembly_s,
    )


def _ssns(config: Config, network: Network) -> tuple[int, ...]:
    """Return our subsystems in a network, that of MAP last."""
    found = network.ssns
    if config.map is not None:
        found = (*found, config.map.ssn)
    if delivers_by_map(config):
        found = (*found, SMSC_SSN)
    return tuple(dict.fromkeys(found))


def delivers_by_map(config: Config) -> bool:
    """Whether text messages are delivered by MAP."""
    return config.messages is not None and config.messages.by == "map"


CAP_SMS: Final = frozenset(
    context.octets for context in CAP_CONTEXTS if context.name in ("CAP-v3-sms", "CAP-v4-sms")
)
"""The application contexts of CAP for short messages."""
MAP_SERVED: Final = frozenset(
    MAP_CONTEXTS[number, 3].octets
    for number in (MM_EVENT_REPORTING, SUBSCRIBER_DATA_MODIFICATION_NOTIFICATION)
)
"""The application contexts of MAP that others may open here."""


def has_external_srf(config: Config) -> bool:
    """Whether an announcement is played by an external gsmSRF, which asks here what to play."""
    return any(each.srf for each in config.announcements.values())


def tcap_settings(config: Config, random: Random) -> TcapSettings:
    """Return TCAP's settings: the contexts that are served, transaction ids that start at random."""
    return TcapSettings(
        instance=config.node.instance,
        first_id=random.randrange(1 << 24),
        max_dialogues=config.engine.max_dialogues,
        contexts=_contexts(config),
        refusals=REFUSALS,
        idle_limit=config.engine.dialogue_limit_s,
    )


def _contexts(config: Config) -> frozenset[bytes]:
    """Return the application contexts that others may open here."""
    found = CALL_CONTROL if config.map is None else CALL_CONTROL | MAP_SERVED
    if config.sms_control is not None:
        found |= CAP_SMS
    if has_external_srf(config):
        found |= CONTEXTS_SERVED
    alerts = {MAP_CONTEXTS[SHORT_MSG_ALERT, version].octets for version in (1, 2)}
    return found | alerts if delivers_by_map(config) else found


def node_settings(config: Config) -> NodeSettings:
    """Return what every service sees of the configuration."""
    return NodeSettings(
        config.numbering,
        config.store.on_failure,
        config.announcements,
        switches(config.switches),
        config.map is not None,
    )
