"""Wires a node's charging: from ``[charging]`` to a `ChargingService`. Part of `scp.app`."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from scp.charging.fault_state import FaultState
from scp.charging.local import LocalCharging
from scp.charging.metered import MeteredCharging
from scp.charging.quota_desk import QuotaDesk
from scp.charging.quotas import LocalQuotas
from scp.charging.service import ChargingService
from scp.charging.sink import CdrSink
from scp.domain.tariff import MINUTE, TariffTable
from scp.ports import StoreError
from scp.store.ledger_open import open_cdrs, open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from scp.charging.nchf_http import ChfClient
    from scp.config import Charging, Chf, Config
    from scp.domain.reservation import Reservation
    from scp.ports import ChargingSystem, ChargingTelemetry, Ledger, QuotaSystem


class Told(Protocol):
    """`scp.app.event_log.EventLog.charging`."""

    def __call__(self, what: str, trouble: bool, *, wanted: bool = True) -> None:
        """Take what fails, or works again."""
        ...


def charging_service(
    config: Config,
    random: Random,
    told: Told,
    telemetry: ChargingTelemetry | None = None,
) -> ChargingService:
    """Return a node's charging, not yet started.

    Args:
        config: the node's.
        random: for pauses between attempts.
        told: called in words when something begins to fail (True) or works again (False). Without a tariff
            and a charging function nothing can be charged, so that what the node itself asks of the ledger
            is not wanted; its store is mostly the subscribers' too, and says for itself that it is gone.
        telemetry: counts.

    Raises:
        StoreError: kind "config".
    """
    charging = config.charging
    store_url = config.store.url.reveal()
    node = config.node.name
    ledger = open_ledger(charging.ledger and charging.ledger.reveal(), store_url, node)
    cdrs = open_cdrs(charging.records and charging.records.reveal(), store_url, node)
    function = (
        None if charging.chf is None else _client(charging.chf, random, _named("charging function", told))
    )
    system = (
        _local(charging, ledger)
        if charging.chf is None or function is None
        else _chf(charging, charging.chf, ledger, function)
    )
    requests = FaultState(_named("requests to the ledger", told))
    swept = "expiry, and CDRs of what was charged"
    wanted = bool(charging.tariffs) or charging.chf is not None
    sink = CdrSink(cdrs, node, config.numbering, _named("call detail records", told), telemetry=telemetry)
    service = ChargingService(
        ledger,
        cdrs,
        MeteredCharging(system, telemetry, requests),
        sink if charging.call_records else None,
        node=node,
        currency=charging.currency,
        retention_ms=charging.retention_days * 86_400_000,
        failed=_named(swept, told),
        fault=FaultState(_named(swept, told, wanted=wanted)),
        requests=requests,
        function=function,
    )
    service.quotas = QuotaDesk(
        _quotas(config, ledger, function, service.charged),
        telemetry,
        requests,
        service.committed,
        lambda session, used: told(f"session {session} is not settled: {used}", True),
    )
    return service


def _named(what: str, told: Told, *, wanted: bool = True) -> Callable[[str], None]:
    """Return what tells the fault ("": none any more) of one part of charging, by its name."""
    return lambda fault: told(f"{what}: {fault or 'works again'}", bool(fault), wanted=wanted)


def wall_ms() -> int:
    """Return milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def local_clock(zone: str) -> Callable[[int], int]:
    """Return what turns milliseconds since 1970 into seconds of the clock of a time zone."""
    info = ZoneInfo(zone)

    known = (-1, 0)  # a minute, and the offset in it: no zone changes its offset within one

    def local(at_ms: int) -> int:
        nonlocal known
        minute = at_ms // 60_000
        if minute != known[0]:
            offset = datetime.fromtimestamp(minute * 60, UTC).astimezone(info).utcoffset()
            known = (minute, 0 if offset is None else int(offset.total_seconds()))
        return at_ms // 1000 + known[1]

    return local


def _local(charging: Charging, ledger: Ledger) -> ChargingSystem:
    return LocalCharging(
        ledger,
        TariffTable(charging.tariffs),
        wall_ms,
        local_clock(charging.timezone),
        grace_ms=charging.grace_s * 1000,
        max_seconds=charging.max_minutes * MINUTE,
    )


def _quotas(
    config: Config, ledger: Ledger, function: ChfClient | None, charged: Callable[[Reservation], None]
) -> QuotaSystem:
    charging = config.charging
    if charging.chf is not None and function is not None:
        from scp.charging.nchf_messages import NfIdentification  # noqa: PLC0415 - as `_client`
        from scp.charging.nchf_quotas import NchfQuotas  # noqa: PLC0415

        return NchfQuotas(
            function,
            ledger,
            NfIdentification(charging.chf.functionality, charging.chf.consumer),
            charging.chf.rating_group,
            wall_ms,
            grace_ms=charging.grace_s * 1000,
            message_group=charging.chf.message_rating_group,
        )
    sms = None if config.sms_control is None else config.sms_control.charging
    return LocalQuotas(
        ledger,
        TariffTable(charging.tariffs),
        wall_ms,
        local_clock(charging.timezone),
        grace_ms=charging.grace_s * 1000,
        messages=None if sms is None else TariffTable([each.tariff() for each in sms.tariffs]),
        charged=charged,
    )


def _client(chf: Chf, random: Random, failed: Callable[[str], None]) -> ChfClient:
    from scp.charging.nchf_http import ChfClient  # noqa: PLC0415 - only a node with a CHF needs the HTTP client
    from scp.domain.breaker import Breaker  # noqa: PLC0415

    try:
        return ChfClient(
            chf.url,
            Breaker(chf.breaker_failures, chf.breaker_rest_s),
            time.monotonic,
            random,
            deadline=chf.deadline_ms / 1000,
            attempt=chf.attempt_ms / 1000,
            tls=_tls(chf),
            http2=chf.http2,
            fault=FaultState(failed),
        )
    except (OSError, ImportError) as error:  # a certificate's file; or HTTP/2 without its package
        raise StoreError(f"charging.chf: {error}", "config") from None


def _chf(charging: Charging, chf: Chf, ledger: Ledger, client: ChfClient) -> ChargingSystem:
    from scp.charging.nchf import NchfCharging  # noqa: PLC0415 - as above
    from scp.charging.nchf_messages import NfIdentification  # noqa: PLC0415

    return NchfCharging(
        client,
        ledger,
        NfIdentification(chf.functionality, chf.consumer),
        chf.rating_group,
        wall_ms,
        grace_ms=charging.grace_s * 1000,
        max_seconds=charging.max_minutes * MINUTE,
        carry_on=chf.failure_handling == "continue",
    )


def _tls(chf: Chf) -> ssl.SSLContext | None:
    if not chf.url.startswith("https:"):
        return None
    context = ssl.create_default_context(cafile=chf.ca)
    if chf.certificate is not None:
        context.load_cert_chain(chf.certificate, chf.key)
    return context
