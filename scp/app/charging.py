"""Wires a node's charging: from ``[charging]`` to a `ChargingService`. Part of `scp.app`."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Final, Protocol

from scp.charging.clock import local_clock
from scp.charging.fault_state import FaultState
from scp.charging.local import LocalCharging
from scp.charging.metered import MeteredCharging
from scp.charging.quota_desk import QuotaDesk
from scp.charging.quotas import LocalQuotas
from scp.charging.service import ChargingService
from scp.charging.sink import CdrSink
from scp.domain.tariff import MINUTE, TariffTable
from scp.ports import StoreError
from scp.services.charge_explained import Payment, Prices, cost_steps
from scp.store.beside import open_cdrs, open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from scp.charging.nchf_http import ChfClient
    from scp.charging.ro_client import RoClient
    from scp.config import Charging, Chf, Config, Ro
    from scp.config.sms_control import SmsCharging
    from scp.domain.outcome import Step
    from scp.domain.reservation import Account
    from scp.ports import ChargingSystem, ChargingTelemetry, Ledger, QuotaSystem


_SETTLES_WITHIN: Final = 5.0
"""Seconds in which a node has settled what it waited for."""


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
    function: ChfClient | None = None
    servers: RoClient | None = None
    if charging.ro is not None:
        servers = _ro_client(config, charging.ro, random, told)
    elif charging.chf is not None:
        function = _client(charging.chf, random, _named("charging function", told))
    system, quotas = _systems(config, ledger, function, servers)
    sms = _message_charging(config)
    requests = FaultState(_named("requests to the ledger", told))
    swept = "expiry, and CDRs of what was charged"
    wanted = bool(charging.tariffs) or function is not None or servers is not None
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
        servers=servers,
        charges_unreported=sms is not None and sms.unreported == "charge",
    )
    if isinstance(quotas, LocalQuotas):
        quotas.charged = service.charged
    service.quotas = _quota_desk(service, quotas, telemetry, requests, told)
    return service


def _quota_desk(
    service: ChargingService,
    quotas: QuotaSystem,
    telemetry: ChargingTelemetry | None,
    requests: FaultState,
    told: Told,
) -> QuotaDesk:
    return QuotaDesk(
        quotas,
        telemetry,
        requests,
        service.committed,
        lambda session, used: told(f"session {session} is not settled: {used}", True),
    )


def _systems(
    config: Config, ledger: Ledger, function: ChfClient | None, servers: RoClient | None
) -> tuple[ChargingSystem, QuotaSystem]:
    """Return what reserves, minutes and quotas: by Ro, by a charging function, or by the node's tariffs."""
    charging = config.charging
    if charging.ro is not None and servers is not None:
        return _ro(config, charging.ro, ledger, servers)
    if charging.chf is not None and function is not None:
        return _chf(config, charging.chf, ledger, function)
    return _local(config, ledger)


async def charge_steps(who: Payment, charging: Charging, ledger: Ledger) -> tuple[Step, ...]:
    """Return what a call would be charged by the node's tariffs and ledger, behind who would pay for it."""
    if who.paid is None:
        return who.steps
    account: Account | str | None
    try:
        account = await ledger.account(who.paid.account)
    except StoreError as error:
        account = str(error)
    at = local_clock(charging.timezone)(wall_ms())
    prices = Prices(TariffTable(charging.tariffs), charging.currency, charging.elsewhere, at)
    return (*who.steps, *cost_steps(who, prices, account))


def _named(what: str, told: Told, *, wanted: bool = True) -> Callable[[str], None]:
    """Return what tells the fault ("": none any more) of one part of charging, by its name."""
    return lambda fault: told(f"{what}: {fault or 'works again'}", bool(fault), wanted=wanted)


def wall_ms() -> int:
    """Return milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def _local(config: Config, ledger: Ledger) -> tuple[ChargingSystem, QuotaSystem]:
    charging = config.charging
    sms = _message_charging(config)
    messages = None if sms is None else TariffTable([each.tariff() for each in sms.tariffs])
    tariffs, local = TariffTable(charging.tariffs), local_clock(charging.timezone)
    grace_ms, most = charging.grace_s * 1000, charging.max_minutes * MINUTE
    return (
        LocalCharging(ledger, tariffs, wall_ms, local, grace_ms=grace_ms, max_seconds=most),
        LocalQuotas(ledger, tariffs, wall_ms, local, grace_ms=_grace_ms(config), messages=messages),
    )


def _message_charging(config: Config) -> SmsCharging | None:
    return None if config.sms_control is None else config.sms_control.charging


def _grace_ms(config: Config) -> int:
    """Return how long a reservation waits to be settled: a message's longer than its report is waited for."""
    sms = _message_charging(config)
    wait = 0.0 if sms is None else sms.deadline_s + sms.report_s + _SETTLES_WITHIN
    return int(max(config.charging.grace_s, wait) * 1000)


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
            tls=_tls(chf) if chf.url.startswith("https:") else None,
            http2=chf.http2,
            fault=FaultState(failed),
        )
    except (OSError, ImportError) as error:  # a certificate's file; or HTTP/2 without its package
        raise StoreError(f"charging.chf: {error}", "config") from None


def _chf(config: Config, chf: Chf, ledger: Ledger, client: ChfClient) -> tuple[ChargingSystem, QuotaSystem]:
    from scp.charging.nchf import NchfCharging  # noqa: PLC0415 - as above
    from scp.charging.nchf_messages import NfIdentification  # noqa: PLC0415
    from scp.charging.nchf_quotas import NchfQuotas  # noqa: PLC0415

    identity = NfIdentification(chf.functionality, chf.consumer)
    charging = config.charging
    minutes = NchfCharging(
        client,
        ledger,
        identity,
        chf.rating_group,
        wall_ms,
        grace_ms=charging.grace_s * 1000,
        max_seconds=charging.max_minutes * MINUTE,
        carry_on=chf.failure_handling == "continue",
    )
    quotas = NchfQuotas(
        client,
        ledger,
        identity,
        chf.rating_group,
        wall_ms,
        grace_ms=_grace_ms(config),
        message_group=chf.message_rating_group,
    )
    return minutes, quotas


def _ro_client(config: Config, ro: Ro, random: Random, told: Told) -> RoClient:
    from scp.charging.ro_client import RoClient, Timers  # noqa: PLC0415 - only a node with an OCS needs Diameter
    from scp.charging.ro_messages import Identity  # noqa: PLC0415

    identity = Identity(
        ro.origin_host or f"{config.node.name}.{ro.origin_realm}",
        ro.origin_realm,
        ro.destination_realm or ro.origin_realm,
        ro.service_context,
        ro.rating_group,
        ro.rating_group if ro.message_rating_group is None else ro.message_rating_group,
        ro.service_identifier,
        wall_ms() // 1000,
    )
    try:
        tls = _tls(ro) if ro.tls else None
    except OSError as error:
        raise StoreError(f"charging.ro: {error}", "config") from None
    return RoClient(
        tuple((each.host, each.port) for each in ro.servers),
        identity,
        random,
        lambda: asyncio.get_running_loop().time(),
        Timers(ro.tx_ms / 1000, ro.deadline_ms / 1000, ro.watchdog_s, ro.reconnect_s),
        tls=tls,
        fault=FaultState(_named("online charging system", told)),
        told=lambda server: FaultState(_named(f"connection to the online charging system's {server}", told)),
    )


def _ro(config: Config, ro: Ro, ledger: Ledger, client: RoClient) -> tuple[ChargingSystem, QuotaSystem]:
    from scp.charging.ro import RoCharging  # noqa: PLC0415 - as above
    from scp.charging.ro_messages import FailureHandling  # noqa: PLC0415
    from scp.charging.ro_quotas import RoQuotas  # noqa: PLC0415
    from scp.charging.ro_sessions import RoSessions  # noqa: PLC0415

    handling = FailureHandling[ro.failure_handling.upper().replace("-", "_")]
    sessions = RoSessions(client, wall_ms, moves=ro.session_failover, handling=handling)
    grace_ms, most = config.charging.grace_s * 1000, config.charging.max_minutes * MINUTE
    return (
        RoCharging(sessions, ledger, wall_ms, grace_ms=grace_ms, max_seconds=most),
        RoQuotas(sessions, ledger, wall_ms, grace_ms=_grace_ms(config)),
    )


def _tls(settings: Chf | Ro) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca)
    if settings.certificate is not None:
        context.load_cert_chain(settings.certificate, settings.key)
    return context
