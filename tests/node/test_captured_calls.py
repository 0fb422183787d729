"""Dialogues that real switches led, said again to the real node, message by message: what it answers, and charges."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from charged_lab import Lab, run
from msgspec.structs import replace
from test_node import READY

from oracles.vectors import Vector
from ss7 import m3ua, sccp, tcap
from ss7.cap.codec import FAST
from ss7.cap.operations import Opcode
from ss7.isup import CalledPartyNumber
from ss7.rose import Invoke, encode_component

CONTROLLED = """
[services.controlled]
service_keys = [42]
[services.controlled.charging]
first_s = 3600
"""
TARIFF = """
[[charging.tariffs]]
prefix = "41"
price = 60
"""
CALLER = "41789005047"
"""Whose call was captured."""


class Captured:
    """The switch of a captured dialogue.

    Args:
        lab: the node, whose MSC hears nothing.
        vectors: the published messages.
    """

    def __init__(self, lab: Lab, vectors: list[Vector]) -> None:
        self.lab = lab
        self.vectors = {each.name: each for each in vectors}
        self.otid = b""
        self.dtid = b""
        lab.deaf = True

    async def says(self, name: str, later: int = 0) -> Any:
        """Say a captured message, with the transaction ids of this dialogue; return the node's answer, if any.

        ``later`` is added to its invoke ids, where it is said once more.
        """
        message = tcap.decode(self.vectors[name].octets)
        if message.kind == tcap.BEGIN:
            self.otid = message.otid
            octets = self.vectors[name].octets
        else:
            components = [encode_component(_renumbered(each, later)) for each in message.components]
            octets = tcap.build_continue(self.otid, self.dtid, b"", components)
        self.lab.heard.clear()
        self.lab.switch_says(octets)
        await asyncio.sleep(0.2)
        if not self.lab.heard:
            return None
        (sent,) = self.lab.heard
        answer = tcap.decode(sccp.decode(m3ua.decode_data(sent).payload).data)
        assert answer.dtid == self.otid
        self.dtid = answer.otid or self.dtid
        return answer

    def captured(self, name: str) -> list[int]:
        """The operations of a captured message."""
        return self.vectors[name].operations


def _renumbered(invoke: Any, later: int) -> Invoke:
    return Invoke(invoke.invoke_id + later, invoke.opcode, invoke.parameter)


def operations(message: Any) -> list[int]:
    return [each.opcode for each in message.components if isinstance(each, Invoke)]


def number(message: Any) -> str:
    """Where a message's Connect goes."""
    (connect,) = [each for each in message.components if each.opcode == Opcode.CONNECT]
    argument = FAST.decode_argument(Opcode.CONNECT, connect.parameter, 2)
    return CalledPartyNumber.decode(argument.destination_routing_address[0]).digits


def test_a_captured_charged_call_to_its_disconnect(vectors, everything_sent):
    async def body(lab: Lab) -> None:
        await lab.node.charging.ledger.credit(CALLER, "first", 10_000, 1)
        switch = Captured(lab, vectors)
        first = await switch.says("camel1-begin-idp")
        assert first.kind == tcap.CONTINUE
        assert operations(first) == switch.captured("camel1-continue-rrbcsm-ac-continue")
        assert await switch.says("camel1-continue-erb-oanswer") is None
        await asyncio.sleep(2.6)
        last = await switch.says("camel1-continue-acr-erb-odisconnect")
        assert (last.kind, operations(last)) == (tcap.END, [Opcode.CONTINUE])  # it was an EDP-R
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"]) == (2_600, 3)
        assert record["disconnected_ms"] - record["answered_ms"] == pytest.approx(2_800, abs=50)
        assert await lab.account(CALLER) == (10_000 - 3, 0)

    run(body, more=CONTROLLED, tariff=TARIFF, recorder=everything_sent)


def test_a_captured_forwarded_call_without_a_route(vectors, everything_sent):
    async def body(lab: Lab) -> None:
        await lab.node.store.put(replace(READY, msisdn="461227010900"))
        switch = Captured(lab, vectors)
        first = await switch.says("camel2-begin-idp-forwarded")
        assert operations(first) == switch.captured("camel2-continue-rrbcsm-connect")
        assert number(first).startswith("99")
        second = await switch.says("camel2-continue-erb-routeselectfailure")
        assert (second.kind, operations(second)) == (tcap.CONTINUE, operations(first))
        assert not number(second).startswith("99")
        last = await switch.says("camel2-continue-erb-routeselectfailure", later=1)
        assert (last.kind, operations(last)) == (tcap.END, [Opcode.CONTINUE])  # never a third attempt
        (record,) = await lab.records()
        assert record["failed_attempts"] == "routeSelectFailure:16 routeSelectFailure:16"

    run(
        body,
        service="rescue = true",
        policy="pays = []",
        more="",
        keys="100, 110",
        recorder=everything_sent,
    )
