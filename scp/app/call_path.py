"""What answers calls, engine and signalling: built from a configuration, and brought to its end."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from scp.app.links import machine
from scp.app.settings import codecs, sccp_settings, tcap_settings
from scp.engine.engine import Engine
from scp.engine.signalling import Signalling
from scp.stack.m3ua.settings import TrafficMode
from scp.stack.sccp import Sccp
from scp.stack.tcap import Tcap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from scp.config import Config, Peer
    from scp.engine.admission import Admission
    from scp.engine.observers import AnswerObserver, CallWatcher
    from scp.engine.signalling import Link, Observer
    from scp.engine.ticker import TimeSource
    from scp.ports import SubscriberLookup, Telemetry
    from scp.services.api import Service

DRAIN_STEP: Final = 0.05
"""Seconds between two looks at whether a drain is done."""
ACK_LIMIT: Final = 2.0
"""Seconds that a drain waits for the acknowledgement of ASPIA and of ASPDN."""


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
) -> tuple[Signalling, Engine]:
    """Return signalling and its engine, to which `add_link` adds links.

    Args:
        config: of the node.
        source: the clock and its timers.
        random: transaction ids start at random.
        telemetry: who counts.
        board: who is told of links.
        services: by service key.
        store: where subscribers are looked up.
        on_bug: as for `Engine`.
        observer: as for `Engine`.
        watcher: as for `Engine`.
        admission: as for `Engine`.
    """
    codec, tcap_codec = codecs(config.engine.codec)
    signalling = Signalling(
        source,
        Sccp(sccp_settings(config), random.randrange(1 << 24)),
        Tcap(tcap_settings(config, random), tcap_codec),
        config.node.network_indicator.code,
        telemetry,
        board,
        admission,
    )
    engine = signalling.user = Engine(
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
    )
    return signalling, engine


def add_link(signalling: Signalling, config: Config, peer: Peer) -> Link:
    """Give signalling a link for a peer of the configuration."""
    return signalling.add_link(
        peer.name,
        machine(peer, config.node.point_code),
        frozenset(peer.destinations),
        alone=TrafficMode[peer.traffic_mode.name] is TrafficMode.OVERRIDE,
    )


async def drain(signalling: Signalling, engine: Engine, limit: float) -> bool:
    """Let the calls in progress end and take the ASPs down; True if all ended within ``limit`` seconds.

    An inactive ASP can't send DATA (RFC 4666 §4.3.1), so ASPIA waits for the open dialogues; what comes
    meanwhile is continued at once and opens none. Then ASPIA and ASPDN; the association is the caller's.
    """
    engine.draining = True
    signalling.leave()
    until = time.monotonic() + limit
    ended = await _wait(lambda: not len(signalling.tcap), until)
    signalling.deactivate()
    inactive = await _wait(lambda: not any(link.active for link in signalling.links), until + ACK_LIMIT)
    signalling.down()
    await _wait(lambda: not any(link.up for link in signalling.links), until + 2 * ACK_LIMIT)
    return ended and inactive


async def _wait(done: Callable[[], bool], until: float) -> bool:
    """Look again and again whether something is done; False if it is not by ``until`` (monotonic seconds)."""
    while not done():
        if time.monotonic() >= until:
            return False
        await asyncio.sleep(DRAIN_STEP)  # a poll: what is waited for lives in machines that do not call back
    return True
