"""Text messages by MAP: from the queue over SRI-SM and MT-ForwardSM to the subscriber's node, on a clock of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from oracles.waiting import PATIENCE, until
from scp.app.map_messages import FRESH_SECONDS, MapMessages, Route
from scp.domain.message import State
from scp.messages.queue import MessageQueue
from scp.simulator import hlr_script
from scp.simulator.endpoint import Endpoint
from scp.simulator.hlr_run import RunningHlr
from scp.simulator.hlr_script import Script, Subscriber
from scp.simulator.network import Network
from ss7.map.errors import (
    AbsentSubscriber,
    AbsentSubscriberReason,
    AbsentSubscriberSM,
    ErrorCode,
    SMDeliveryFailure,
    SMDeliveryFailureCause,
)
from ss7.map.messages import LocationInfoWithLMSI
from ss7.map.operations import Opcode
from ss7.rose import encode_invoke, encode_return_error, encode_return_result
from ss7.sms.tpdu import Deliver, decode

BOB = "46701234567"
CENTRE = "46700000001"
CONFIG = """
[node]
point_code = "0-23-1"
[sccp]
global_title = "46700000001"
[[m3ua.peers]]
name = "hlr"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {port}
destinations = ["0-23-6"]
[numbering]
country_code = "46"
[store]
url = "sqlite::memory:"
[map]
gateway = "0-23-6"
[messages]
by = "map"
sender = "Example"
[telemetry]
metrics = "127.0.0.1:0"
"""
HLR = Network(point_code=190, global_title="46700000006", scp_ssn=8)


class Site:
    """A node that delivers by MAP, and a simulated HLR with the serving node."""

    def __init__(self, queue: MessageQueue, hlr: RunningHlr, script: Script) -> None:
        self.queue = queue
        self.hlr = hlr.hlr
        self.script = script

    async def send(self, text: str, name: str = "m") -> None:
        new = self.queue.new(name, "Example", BOB, text, 60_000, receipt=True, fingerprint="f")
        await self.queue.accept(new)

    async def until(self, state: State, name: str = "m", reason: str | None = None) -> str:
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await self.queue.store.get(name)
                assert message is not None
                if message.state is state and (reason is None or message.reason == reason):
                    return message.reason
                await asyncio.sleep(0.01)

    def texts(self) -> str:
        """What came to the subscriber, its parts in their order."""
        read = [decode(octets, to_mobile=True) for octets in self.hlr.delivered]
        assert all(isinstance(each, Deliver) and each.sender.digits == "Example" for each in read)
        parts = [each.user_data.read() for each in read if isinstance(each, Deliver)]
        return "".join(text for _, text in sorted(parts, key=lambda part: part[0] or (0, 0, 0)))


def run(body: Callable[[Site], Awaitable[None]], subscriber: Subscriber | None, **script) -> None:
    from oracles.servers import free_tcp_port
    from scp.app.event_log import EventLog
    from scp.app.metrics import metrics_for
    from scp.app.node import Node
    from scp.config import loads

    async def main() -> None:
        port = free_tcp_port()
        config = loads(CONFIG.format(port=port))
        node = Node(config, Random(1), metrics_for(config, []), EventLog())
        known = Script(**script)
        known.add([] if subscriber is None else [subscriber])
        hlr = RunningHlr(HLR, Endpoint(port=port), known, Random(2))
        await node.start()
        try:
            await hlr.start()
            assert node.messaging is not None
            async with asyncio.timeout(PATIENCE):
                await body(Site(node.messaging.queue, hlr, known))
        finally:
            await hlr.stop()
            await node.stop(abort=True)

    asyncio.run(main())


@pytest.mark.parametrize("versions", [(1, 2, 3), (1, 2), (1,)])
@pytest.mark.parametrize("text", ["Hello", "Grüße € " * 40, "مرحبا 😀"])
def test_a_text_is_delivered_in_every_version(text: str, versions: tuple[int, ...]) -> None:
    async def body(site: Site) -> None:
        await site.send(text)
        await site.until(State.DELIVERED)
        assert site.texts() == text

    run(body, Subscriber(msisdn=BOB, vlr="46709000001"), versions=versions)


@pytest.mark.parametrize(
    ("subscriber", "state", "reason"),
    [
        (None, State.FAILED, "map: unknownSubscriber"),
        (
            Subscriber(msisdn=BOB, delivery_error=ErrorCode.ILLEGAL_SUBSCRIBER),
            State.FAILED,
            "map: illegalSubscriber",
        ),
        (
            Subscriber(msisdn=BOB, delivery_error=ErrorCode.SUBSCRIBER_BUSY_FOR_MT_SMS),
            State.QUEUED,
            "map: subscriberBusyForMT-SMS",
        ),
        (
            Subscriber(msisdn=BOB, delivery_error=ErrorCode.SM_DELIVERY_FAILURE),
            State.QUEUED,
            "map: sm-DeliveryFailure",
        ),
    ],
)
def test_what_a_refusal_comes_to(subscriber: Subscriber | None, state: State, reason: str) -> None:
    async def body(site: Site) -> None:
        await site.send("Hello")
        await site.until(state, reason=reason)
        assert site.hlr.delivered == []

    run(body, subscriber)


@pytest.mark.parametrize(
    "said",
    [
        encode_return_result(9, None, b""),
        encode_return_result(1, Opcode.SEND_ROUTING_INFO_FOR_SM, b"\x30\x00"),
        encode_return_error(9, ErrorCode.ILLEGAL_SUBSCRIBER),
        encode_invoke(1, Opcode.MT_FORWARD_SM, b"\x30\x00"),
    ],
)
def test_an_answer_that_is_none_leaves_in_doubt_whether_it_was_delivered(said: bytes) -> None:
    async def body(site: Site) -> None:
        answer = site.hlr._answer

        def answered(asked: Any) -> None:
            if asked.opcode == Opcode.MT_FORWARD_SM:
                site.hlr._send(asked.dialogue, site.hlr.signalling.tcap.end(asked.dialogue, [said]))
            else:
                answer(asked)

        site.hlr._answer = answered
        await site.send("Hello")
        await site.until(State.UNKNOWN, reason="map: mt-ForwardSM: unreadable")

    run(body, Subscriber(msisdn=BOB))


@pytest.mark.parametrize("number", ["91", "91fc", "911a32"])
def test_a_node_whose_number_is_none_is_asked_for_again(number: str, monkeypatch) -> None:
    routed = hlr_script.result_of

    def result_of(opcode: int, *rest: Any) -> tuple[int, Any]:
        code, value = routed(opcode, *rest)
        if opcode == Opcode.SEND_ROUTING_INFO_FOR_SM:
            value = replace(value, location_info_with_lmsi=LocationInfoWithLMSI(bytes.fromhex(number)))
        return code, value

    monkeypatch.setattr("scp.simulator.hlr.result_of", result_of)

    async def body(site: Site) -> None:
        await site.send("Hello")
        await site.until(State.QUEUED, reason="map: sendRoutingInfoForSM: unreadable")
        assert site.hlr.delivered == []

    run(body, Subscriber(msisdn=BOB))


ABSENT_SM = AbsentSubscriberSM(diagnostic=6)
ABSENT = AbsentSubscriber(reason=AbsentSubscriberReason.IMSI_DETACH)
FULL = SMDeliveryFailureCause.MEMORY_CAPACITY_EXCEEDED


@pytest.mark.parametrize(
    ("versions", "away", "reason", "told", "alert"),
    [
        ((1, 2, 3), {"detached": True}, "absentSubscriberSM", None, {}),  # the HLR knows it: it is not told
        ((1, 2, 3), {"delivery_error": 6, "parameter": ABSENT_SM}, "absentSubscriberSM", (1, 6), {}),
        ((1, 2, 3), {"delivery_error": 27, "parameter": ABSENT}, "absentSubscriber", (1, None), {}),
        ((1, 2), {"delivery_error": 27, "parameter": True}, "absentSubscriber", (1, None), {"version": 1}),
        (
            (1,),
            {"delivery_error": 27},
            "absentSubscriber",
            (None, None),
            {"version": 1, "with_context": False},
        ),  # v1 has no outcome to tell
        (
            (1, 2, 3),
            {"delivery_error": 32, "parameter": SMDeliveryFailure(FULL)},
            "sm-DeliveryFailure",
            (0, None),
            {},
        ),
    ],
)
def test_who_can_not_take_it_gets_it_when_he_can(versions, away, reason, told, alert, monkeypatch) -> None:
    """The HLR is told in each form of absence, and of a full memory; its alert has the message sent at once."""
    monkeypatch.setattr("scp.domain.message.RETRY_SECONDS", (3600,))

    async def body(site: Site) -> None:
        await site.send("Hello")
        await site.until(State.QUEUED, reason=f"map: {reason}")
        assert site.hlr.counts["reportSM-DeliveryStatus"] == (told is not None)
        if told is not None:
            [argument] = [each for each in site.hlr.asked if hasattr(each, "sm_delivery_outcome")]
            outcome = argument.sm_delivery_outcome
            assert (None if outcome is None else int(outcome), getattr(argument, "diagnostic", None)) == told
        site.script.subscribers[BOB] = Subscriber(msisdn=BOB)
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        site.hlr.alert(BOB, to=CENTRE, point_code=185, future=done, **alert)
        assert await done == ("end" if alert else "result")
        await site.until(State.DELIVERED)
        assert site.texts() == "Hello"

    run(body, Subscriber(msisdn=BOB, **away), versions=versions)


def test_two_messages_to_one_subscriber_are_two() -> None:
    async def body(site: Site) -> None:
        for number in range(4):
            await site.send(f"text {number}", f"m{number}")
        for number in range(4):
            await site.until(State.DELIVERED, f"m{number}")
        assert len(site.hlr.delivered) == 4

    run(body, Subscriber(msisdn=BOB, delay=0.02))


def test_an_alert_has_messages_sent_that_another_node_was_refused() -> None:
    """The HLR's alert comes to any node of a service centre, also to one that was not there when he was absent."""

    async def body(site: Site) -> None:
        waits = site.queue.new("m", "Example", BOB, "Hello", 7_200_000, receipt=True, fingerprint="f")
        await site.queue.accept(replace(waits, due_ms=waits.due_ms + 3_600_000, attempts=1))
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        site.hlr.alert(BOB, to=CENTRE, point_code=185, future=done)
        assert await done == "result"
        await site.until(State.DELIVERED)

    run(body, Subscriber(msisdn=BOB))


def test_an_alert_that_overtakes_the_refusal_counts(monkeypatch) -> None:
    monkeypatch.setattr("scp.domain.message.RETRY_SECONDS", (3600,))

    async def body(site: Site) -> None:
        await site.send("Hello")
        await until(lambda: site.hlr.counts["mt-ForwardSM"] == 1)  # the refusal is on its way
        site.script.subscribers[BOB] = Subscriber(msisdn=BOB)
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        site.hlr.alert(BOB, to=CENTRE, point_code=185, future=done)
        await done
        await site.until(State.DELIVERED)

    run(body, Subscriber(msisdn=BOB, delivery_error=6, parameter=ABSENT_SM, delay=0.1))


def test_one_message_at_a_time_goes_to_a_subscriber(monkeypatch) -> None:
    """Also where one comes when the first is over and others wait."""
    at_once = most = 0
    deliver = MapMessages._deliver

    async def counted(self: MapMessages, *arguments):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            return await deliver(self, *arguments)
        finally:
            at_once -= 1

    monkeypatch.setattr(MapMessages, "_deliver", counted)

    async def body(site: Site) -> None:
        for number in range(3):
            await site.send(f"text {number}", f"m{number}")
        await until(lambda: len(site.hlr.delivered) >= 1)
        await site.send("text 3", "m3")
        for number in range(4):
            await site.until(State.DELIVERED, f"m{number}")

    run(body, Subscriber(msisdn=BOB, delay=0.05))
    assert most == 1


def test_what_is_known_of_subscribers_does_not_grow() -> None:
    now = [0.0]
    carrier = MapMessages(CENTRE, "", 10)
    carrier._clock = lambda: now[0]
    for number in range(1000):
        carrier._learn(f"4670{number}", Route(b"", "46709"))
        now[0] += 1.0
    assert len(carrier._known) <= FRESH_SECONDS + 1
