"""The demo's last call: an MSC asks the node, the gateway calls the VoIP service, SIP devices ring.

The node and the brain run here; Kamailio, and sipp as gateway and devices, are programs beside. What each of
them saw is one ladder, from the InitialDP to the charge.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from pathlib import Path
from random import SystemRandom
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Final

from scp import client
from scp.app.demo_voip_service import (
    DOMAIN,
    FOREIGN_VLR,
    GAP,
    GATEWAY,
    HERE,
    KINDS,
    PATIENCE,
    REFERENCE,
    Account,
    Sipp,
    VoipService,
    binds,
    free_port,
    taken,
    until,
)
from scp.app.phone_account import Provisioning, qr_code
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action, Expectation
from scp.simulator.ladder import MSC, SCF, Ladder, render
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from ss7.isup import NatureOfAddress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.console import Console

    from scp.simulator.result import CallResult

SIPPS: Final = ("gateway", "phone", "tablet")
RECORDS: Final = ["Attempt", "Charge", "VoipRecord"]
ALICE: Final = Account("alice", "11234567", ("alice-phone", "alice-tablet"), token_urlsafe(9))


async def show(node_config: str, console: Console) -> bool:
    """Play the roaming call and show it; whether all was as it should be."""
    async with VoipService(node_config, (ALICE,)) as service:
        phone, tablet = [await service.register(device, ALICE) for device in ALICE.devices]
        told = service.voip_metrics.told
        await until(lambda: told["registered"] > 0, "the node is told that Alice is registered")
        rings = await service.sipp("rings", HERE, phone)
        answers = await service.sipp("answers", HERE, tablet, d="300")
        await until(lambda: binds(phone) and binds(tablet), "phone and tablet listen")
        started = time.time()
        result = await _ask(service)
        number = result.answer.number
        gateway = await service.sipp(
            "gateway_calls",
            GATEWAY,
            free_port(GATEWAY, socket.SOCK_DGRAM),
            s=number,
            caller="46700000009",
            reference=f"{REFERENCE.hex()};msc={Scenario().msc}",
            d="1200",
        )
        ended = [await one.process.wait() for one in (gateway, rings, answers)]
        records = await _records(service)
        ladder = _ladder(result, started, {"gateway": gateway, "phone": rings, "tablet": answers}, records)
        console.print(ladder, markup=False, soft_wrap=True)
        kinds = sorted(type(one).__name__ for one in records)
        wrong = [
            *(f"sipp as {name} ended with {code}" for name, code in zip(SIPPS, ended, strict=True) if code),
            *([] if result.passed else [f"the switch was answered {result.answer}"]),
            *([] if kinds == RECORDS else [f"records: {', '.join(kinds) or 'none'}"]),
        ]
        for each in wrong:
            console.print(f"{'WRONG':>12}  {each}", markup=False)
        if not wrong:
            console.print(_WHAT_WAS_SEEN, markup=False, soft_wrap=True)
        return not wrong


_WHAT_WAS_SEEN: Final = f"""\
{"why":>12}  Alice's phone and tablet rang at once; the tablet answered, and the phone shows no missed call.
{"":>12}  Minutes were reserved before they rang, and what was talked is charged, each begun second.
{"":>12}  At the node the switch's attempt, the leg and the charge are one call: GET /v1/cdrs/related"""


async def _ask(service: VoipService) -> CallResult:
    scenario = Scenario(
        b_number=f"00{ALICE.msisdn}",
        b_nature=NatureOfAddress.UNKNOWN,
        vlr=FOREIGN_VLR,
        call_reference=REFERENCE,
    )
    expected = Expectation(action=Action.CONNECT, number=f"9900{ALICE.msisdn}", ended=True)
    (result,) = await run_calls(
        [PlannedCall(scenario, expected)],
        network=Network(),
        endpoint=Endpoint(port=service.m3ua),
        random=SystemRandom(),
    )
    return result


async def _records(service: VoipService) -> tuple[client.Cdr, ...]:
    """Return the node's records of the one call, once all three are there."""
    found: tuple[client.Cdr, ...] = ()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while len(found) < 3:
                page = await service.api.send(client.cdrs())
                legs = [one.id for one in page.cdrs if isinstance(one, client.VoipRecord)]
                found = (await service.api.send(client.related_cdrs(legs[0]))).cdrs if legs else ()
                await asyncio.sleep(0.05)
    return found


def _ladder(
    result: CallResult, started: float, parties: dict[str, Sipp], records: tuple[client.Cdr, ...]
) -> str:
    """Draw the call from the MSC to the devices, and what is recorded of it."""
    ladder = Ladder()
    for step in result.steps:
        source, target = (MSC, SCF) if step.outward else (SCF, MSC)
        if not step.message.startswith("local"):
            names = " + ".join(words.split(" ", 1)[0] for words in step.components)
            text = f"{step.message} {names}".strip()
            ladder.message(started + step.seconds, source, target, text, *step.components)
    seen = [one for party, sipp in parties.items() for one in sipp.messages(party)]
    seen += [
        (record.reserved_ms / 1000, SCF, SCF, f"reserved {record.granted_seconds} s for {record.account}", "")
        for record in records
        if isinstance(record, client.Charge)
    ]
    for at, source, target, text, details in sorted(seen):
        ladder.message(at, source, target, text, *([details] if details else []))
    last = max((event.time for event in ladder.events), default=started)
    for record in records:
        ladder.note(last, SCF, _recorded(record))
    return render(ladder.events, (MSC, SCF, "gateway", "Kamailio", "phone", "tablet"), least_gap=GAP)


def _recorded(record: client.Cdr) -> str:
    if isinstance(record, client.Attempt):
        return f"attempt: {record.action} {record.number}, {record.reason}"
    if isinstance(record, client.Charge):
        return (
            f"charge: {record.used_seconds} s, {record.charged / 100:.2f} {record.currency}, {record.account}"
        )
    return f"leg: {record.a_number} to {record.b_number}, call reference {record.call_reference}"


@contextlib.asynccontextmanager
async def ended_by_term() -> AsyncIterator[None]:
    """Have SIGTERM cancel what is in the block, so that all that it has started ends with it."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    told: list[int] = []

    def end() -> None:
        told.append(signal.SIGTERM)
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        yield
    except asyncio.CancelledError:
        if not told:
            raise
        task.uncancel()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def keep(
    node_config: str,
    console: Console,
    sip: int = 5060,
    ports: tuple[int, int, int, int] = (2905, 8080, 9465, 8082),
) -> None:
    """Leave a node, the brain and Kamailio running with two accounts, and say how to use them.

    Args:
        node_config: as `VoipService`.
        console: where it is said.
        sip: port of Kamailio.
        ports: as `VoipService`.
    """
    bob = Account("bob", "46701234567", ("bob-phone",), "")
    host = lan_address()
    listen = (host, HERE) if host != HERE else (HERE,)
    wanted = [(one, sip, kind) for one in listen for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
    wanted += [(HERE, port, socket.SOCK_STREAM) for port in ports]
    if in_use := [f"{KINDS[kind]} {one}:{port}" for one, port, kind in wanted if taken(one, port, kind)]:
        raise OSError(f"another program has {', '.join(in_use)}: end it first (ss -lntup names it)")
    async with (
        ended_by_term(),
        VoipService(node_config, (ALICE, bob), listen, sip, ports, clients=True) as service,
    ):
        provisioning = Provisioning(host, service.sip)
        server = await provisioning.start()
        console.print(f"\nSIP proxy and registrar: {host}:{service.sip}, UDP or TCP; domain {DOMAIN}\n")
        joined = [one for account in service.accounts for one in await service.join(account)]
        for one in joined:
            words = f"  address {one.aor}  authentication user {one.user}  password {one.password}"
            console.print(words, markup=False, soft_wrap=True)
        first = joined[0]
        url = provisioning.url(DOMAIN, first.msisdn, first.user, first.password)
        console.print(f"\nLinphone takes {first.user}'s account from this QR code ({url}):\n", soft_wrap=True)
        console.print(qr_code(url), markup=False, soft_wrap=True)
        api = f"http://{HERE}:{service.clients_port}"
        command = Path(sys.executable).with_name("camel-scp")
        with contextlib.suppress(ValueError):
            command = command.relative_to(Path.cwd())
        how = _HOW_TO_CALL.format(host=HERE, service=service, api=api, own=first.token, program=command)
        console.print(how, markup=False, soft_wrap=True)
        async with server:
            await asyncio.Event().wait()


_HOW_TO_CALL: Final = f"""
Register a softphone with one of these; from another one call sip:alice@{DOMAIN} or sip:bob@{DOMAIN}.
As the switch, while Alice is abroad:

  {{program}} msc --b 00{ALICE.msisdn} --vlr {FOREIGN_VLR}
  sipp {{host}}:{{service.sip}} -sf deploy/kamailio/sipp/gateway_calls.xml -i {GATEWAY} -m 1 -d 5000 \\
       -s 9900{ALICE.msisdn} -key caller 46700000009 -key reference none

As {ALICE.devices[0]}'s app, with its own token: see what is known of Alice; have nothing ring.

  curl -H 'Authorization: Bearer {{own}}' {{api}}/v1/identities/{ALICE.msisdn}
  curl -X PUT -H 'Authorization: Bearer {{own}}' -H 'Content-Type: application/json' \\
       -d '{{{{"quiet": true}}}}' {{api}}/v1/identities/{ALICE.msisdn}/rules

The VoIP service's API: {{api}}/docs, its metrics: http://{{host}}:{{service.metrics_port}}/metrics
The node's API: http://{{host}}:{{service.api_port}}/docs. Operator's token for both: {{service.token}}
Kamailio's log: {{service.folder}}/kamailio.log. Ctrl-C ends it all."""


def lan_address() -> str:
    """Return the address by which others reach this machine, as far as its routes say; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737)
        except OSError:
            return HERE
        return str(probe.getsockname()[0])
