"""Dialogues that real gsmSCFs led, said again to the simulated switch: it has to say what real ones said."""

import asyncio
from random import Random
from types import SimpleNamespace

from scripted_scf import ScriptedScf, aare
from test_msc import NETWORK, Tap

from oracles import virtual_time
from oracles.loopback import pair
from scp.engine import scheduler
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Expectation
from scp.simulator.msc import Msc, PlannedCall
from scp.simulator.scenario import Attempt, Ending, Scenario, Trigger
from scp.telemetry.null import NullTelemetry
from ss7 import tcap
from ss7.cap.charging import decode_contained
from ss7.cap.codec import FAST
from ss7.cap.operations import Opcode
from ss7.rose import encode_component


def components(vectors, name):
    """The components of a captured message."""
    [vector] = [vector for vector in vectors if vector.name == name]
    return tcap.decode(vector.octets).components


def arguments(parts):
    return [FAST.decode_argument(part.opcode, part.parameter, 2) for part in parts]


def said(recorder, clock, scenario, first, last, ends_at):
    """What the switch says, message by message, to ``first`` and, once it reported ``ends_at`` events, to ``last``."""

    def script(message, number):
        if number == 0:
            answer = tcap.build_continue(
                b"\x13\xb8", message.otid, aare(message), list(map(encode_component, first))
            )
        elif number == ends_at:
            answer = tcap.build_end(message.otid, b"", list(map(encode_component, last)))
        else:
            return []
        return [answer]

    async def run():
        loop = asyncio.get_running_loop()
        clock.setattr(scheduler, "time", SimpleNamespace(monotonic=loop.time))
        msc = Msc(NETWORK, Endpoint(), Random(4), NullTelemetry())
        scf = ScriptedScf(script, routing_context=7, clock=loop.time)
        pair(msc.link, Tap(scf, recorder))
        await msc.active(120)
        [result] = await msc.run([PlannedCall(scenario, Expectation(ended=False))], 1, None)
        await asyncio.sleep(0.1)
        msc.signalling.stop()
        return result, scf.received_messages

    return virtual_time.run(run())


def test_a_charged_call_to_its_disconnect(vectors, everything_sent, monkeypatch):
    told = components(vectors, "camel1-continue-rrbcsm-ac-continue")
    ended = components(vectors, "camel1-end-releasecall")
    scenario = Scenario(
        trigger=Trigger.ORIGINATING, attempts=(Attempt(ring=3, talk=2.6, hangs_up=1),), b_number="112233"
    )
    result, messages = said(everything_sent, monkeypatch, scenario, told, ended, 2)
    assert result.faults == []
    assert result.talked == ((2.6,),)
    assert result.outcome == "continued, released with cause 16"
    begin, answer, goodbye = messages
    assert [part.opcode for part in begin.components] == [Opcode.INITIAL_DP]
    [captured] = arguments(components(vectors, "camel1-continue-erb-oanswer"))
    [ours] = arguments(answer.components)
    assert (ours.event_type_bcsm, ours.misc_call_info) == (captured.event_type_bcsm, captured.misc_call_info)
    wanted = components(vectors, "camel1-continue-acr-erb-odisconnect")
    assert [part.opcode for part in goodbye.components] == [part.opcode for part in wanted]
    (charge, event), (real_charge, real_event) = arguments(goodbye.components), arguments(wanted)
    times = [decode_contained("CAMEL-CallResult", each, 2) for each in (charge, real_charge)]
    assert times[0] == times[1]
    assert charge == real_charge, "octet by octet"
    for name in ("event_type_bcsm", "leg_id", "misc_call_info"):
        assert getattr(event, name) == getattr(real_event, name)


def test_a_forwarded_call_without_a_route(vectors, everything_sent, monkeypatch):
    told = components(vectors, "camel2-continue-rrbcsm-connect")
    ended = components(vectors, "camel2-end-releasecall")
    scenario = Scenario(trigger=Trigger.FORWARDED, attempts=(Attempt(ending=Ending.UNREACHABLE, ring=1),))
    result, messages = said(everything_sent, monkeypatch, scenario, told, ended, 1)
    assert result.faults == []
    assert result.routed_to == "972201"
    begin, failure = messages
    captured_begin = components(vectors, "camel2-begin-idp-forwarded")
    assert [part.opcode for part in begin.components] == [part.opcode for part in captured_begin]
    [ours], [captured] = (
        arguments(failure.components),
        arguments(components(vectors, "camel2-continue-erb-routeselectfailure")),
    )
    for name in ("event_type_bcsm", "leg_id", "misc_call_info"):
        assert getattr(ours, name) == getattr(captured, name)
    assert ours.event_specific_information_bcsm.name == captured.event_specific_information_bcsm.name
    assert result.outcome.endswith("released with cause 21")
