"""Builds what answers calls, signalling and its TC-users, from a configuration."""

from __future__ import annotations

import asyncio
from random import SystemRandom
from typing import TYPE_CHECKING

from scp.app.links import machine
from scp.app.settings import codecs, has_external_srf, networks_of, tcap_settings
from scp.engine.cap.assist import CONTEXTS_SERVED, AssistUser
from scp.engine.cap.user import CapUser
from scp.engine.scheduler import LoopTime
from scp.engine.signalling import Signalling
from scp.engine.tc_users import TcUsers
from scp.stack.m3ua.settings import TrafficMode
from scp.stack.tcap import Tcap
from ss7.cap.contexts import CALL_CONTROL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from random import Random

    from scp.config import Config, Peer
    from scp.engine.admission import Admission
    from scp.engine.link import Link, Observer
    from scp.engine.observers import AnswerObserver, CallWatcher
    from scp.engine.scheduler import TimeSource
    from scp.ports import QuotaPort, SubscriberLookup, Telemetry
    from scp.services.api import Service


def call_path(
    config: Config,
    source: TimeSource,
    random: Random,
    telemetry: Telemetry,
    board: Observer,
    services: Mapping[int, Service],
    store: SubscriberLookup,
    *,
    on_bug: Callable[[str, Exception], None],
    observer: AnswerObserver | None = None,
    watcher: CallWatcher | None = None,
    admission: Admission | None = None,
    quota: QuotaPort | None = None,
) -> tuple[Signalling, CapUser]:
    """Return signalling, to which `add_link` adds links, and the TC-user for CAP.

    Args:
        config: of the node.
        source: the clock and its timers.
        random: transaction ids start at random.
        telemetry: counts.
        board: told of links.
        services: by service key.
        store: where subscribers are looked up.
        on_bug: as for `CapUser`.
        observer: as for `CapUser`.
        watcher: as for `CapUser`.
        admission: as for `CapUser`.
        quota: as for `CapUser`.
    """
    codec, tcap_codec = codecs(config.engine.codec)
    signalling = Signalling(
        source,
        networks_of(config, random),
        Tcap(tcap_settings(config, random), tcap_codec),
        telemetry,
        board,
        admission,
    )
    cap = CapUser(
        signalling,
        services,
        store,
        codec,
        telemetry,
        source.time,
        store_deadline=config.store.deadline_ms / 1000,
        answer_deadline=config.engine.answer_deadline_ms / 1000,
        on_bug=on_bug,
        observer=observer,
        admission=admission,
        watcher=watcher,
        strict=config.engine.strict,
        quota=quota,
    )
    if has_external_srf(config):
        cap.assists = AssistUser(signalling, codec, telemetry, source.time, cap.give)
    signalling.user = _users(signalling, cap, config.ssns)
    return signalling, cap


def _users(signalling: Signalling, cap: CapUser, ssns: Iterable[int]) -> TcUsers:
    """Return a node's TC-users: calls, and assists where there are any."""
    users = TcUsers(signalling)
    for ssn in ssns:
        users.add(cap, ssn, CALL_CONTROL)
        if cap.assists is not None:
            users.add(cap.assists, ssn, CONTEXTS_SERVED)
    return users


def without_services(
    config: Config, telemetry: Telemetry, board: Observer, store: SubscriberLookup, observer: AnswerObserver
) -> tuple[Signalling, CapUser]:
    """Return a call path in which no service runs, in the running event loop; the guardian's."""
    source, random = LoopTime(asyncio.get_running_loop()), SystemRandom()
    return call_path(
        config, source, random, telemetry, board, {}, store, on_bug=lambda *_: None, observer=observer
    )


def add_link(signalling: Signalling, config: Config, peer: Peer) -> Link:
    """Give signalling a link for a peer of the configuration."""
    networks = {each.name: each for each in signalling.networks if each is each.configured}
    point_code = config.every_network()[peer.networks[0]].point_code
    leads_to = peer.network_of_contexts.items() or [(-1, name) for name in dict.fromkeys(peer.networks)]
    return signalling.add_link(
        peer.name,
        machine(peer, point_code),
        frozenset(peer.destinations),
        alone=TrafficMode[peer.traffic_mode.name] is TrafficMode.OVERRIDE,
        networks=[(context, networks[name]) for context, name in leads_to],
    )
