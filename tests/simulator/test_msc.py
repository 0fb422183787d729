"""Single calls through the real stack, against a scripted gsmSCF."""

import asyncio
from random import Random

import pytest
from scripted_scf import RETURNED, ScriptedScf, argument_of, end, going_on, invoke, marked

from oracles import virtual_time
from oracles.loopback import pair
from oracles.servers import free_tcp_port
from oracles.waiting import PATIENCE
from scp.net.tcp import Connector, Listener
from scp.simulator.endpoint import Endpoint, Side
from scp.simulator.expect import Action, Expectation
from scp.simulator.ladder import ladder_of
from scp.simulator.msc import Msc, PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.scenario import Attempt, Ending, Finish, Scenario, Trigger
from scp.telemetry.null import NullTelemetry
from ss7 import tcap
from ss7.cap.charging import time_duration_charging
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_VERSION
from ss7.cap.events import BCSMEvent, EventTypeBCSM, MonitorMode, RequestReportBCSMEventArg
from ss7.cap.types import (
    ApplyChargingArg,
    CallInformationRequestArg,
    ConnectArg,
    LegID,
    RequestedInformationType,
    ResetTimerArg,
)
from ss7.isup import CalledPartyNumber
from ss7.rose import encode_reject, encode_return_error
from ss7.tcap_dialogue import Aare, encode_dialogue

CONNECT, RELEASE, RRB, CONTINUE, RESET, FCI, AC, CIRQ, CANCEL, TEST = 20, 22, 23, 31, 33, 34, 35, 45, 53, 55
ERB, ACR, CIRP = 24, 36, 44
NETWORK = Network(routing_context=7)
QUICK = (Attempt(ring=0.02, talk=0.05),)


class Tap:
    """A transport user that shows every message of the MSC to the recorder on its way to the gsmSCF."""

    def __init__(self, scf, recorder):
        self.scf = scf
        self.recorder = recorder
        self.connected = scf.connected
        self.disconnected = scf.disconnected

    def received(self, messages):
        for stream, message in messages:
            self.recorder.sent(message, stream=stream)
        self.scf.received(messages)


def play(recorder, script, *planned, **options):
    """Make calls over a loopback pair, the MSC being the gateway."""

    async def run():
        loop = asyncio.get_running_loop()
        msc = Msc(NETWORK, Endpoint(), Random(4), NullTelemetry(), give_up=options.get("give_up", 5.0))
        scf = ScriptedScf(script, routing_context=7, clock=loop.time)
        pair(msc.link, Tap(scf, recorder))
        await msc.active(2)
        async with asyncio.timeout(PATIENCE):
            results = await msc.run(planned, options.get("at_once", 1), None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        msc.signalling.stop()
        assert len(msc.signalling.tcap) == 0
        return results, scf

    return asyncio.run(run())


def connect(begin, version=2):
    return invoke(
        CONNECT, ConnectArg(destination_routing_address=(marked(begin, version=version),)), 2, version
    )


def arm(*events, mode=MonitorMode.INTERRUPTED, legs=()):
    armed = [BCSMEvent(event, mode) for event in events]
    armed += [BCSMEvent(event, mode, LegID("sendingSideID", bytes((leg,)))) for event, leg in legs]
    return RequestReportBCSMEventArg(bcsm_events=tuple(armed))


def charging(seconds, version=2, *, release=False):
    octets = time_duration_charging(round(seconds * 10), version, release=release)
    return ApplyChargingArg(ach_billing_charging_characteristics=octets)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
@pytest.mark.parametrize("trigger", [Trigger.TERMINATING, Trigger.FORWARDED])
def test_connect_in_every_version(everything_sent, version, trigger):
    scenario = Scenario(version=version, trigger=trigger, b_number="0011234567", b_nature=2)
    expected = Expectation(action=Action.CONNECT, number="990011234567", nature=2, ended=True)
    [result], scf = play(
        everything_sent,
        lambda begin, _: [end(begin, connect(begin, version))],
        PlannedCall(scenario, expected),
    )
    assert result.faults == []
    assert result.passed
    assert result.routed_to == "990011234567"
    assert result.answer.operations == ("connect",)
    assert [step.message for step in result.steps] == ["TC-BEGIN", "TC-END"]
    assert result.steps[0].components[0].endswith("46700000009 → 0011234567, service key 100")
    assert result.steps[1].components == ("connect 990011234567, nature 2",)
    [begin] = scf.received_messages
    assert begin.dialogue.context == BY_VERSION[version].octets
    assert (argument_of(begin, version).time_and_timezone is None) == (version == 1)


def test_originating_with_continue_and_no_dialogue_portion(everything_sent):
    scenario = Scenario(version=1, trigger=Trigger.ORIGINATING, dialogue_portion=False, b_number="112")
    expected = Expectation(action=Action.CONTINUE, ended=True)
    [result], scf = play(
        everything_sent, lambda begin, _: [end(begin, invoke(CONTINUE))], PlannedCall(scenario, expected)
    )
    assert result.faults == []
    assert scf.received_messages[0].dialogue is None
    assert argument_of(scf.received_messages[0], 1).called_party_number is None
    assert result.outcome == "continued, routing and ringing"


def test_a_held_dialogue_from_arming_to_release(everything_sent):
    """Everything that the gsmSSF can say in a call goes out, and tshark reads it."""
    reports = []

    def script(message, number):
        if number == 0:
            wanted = tuple(RequestedInformationType)
            operations = [
                invoke(RRB, arm(EventTypeBCSM.T_ANSWER, mode=MonitorMode.NOTIFY_AND_CONTINUE), 1),
                invoke(RRB, arm(legs=[(EventTypeBCSM.T_DISCONNECT, 1), (EventTypeBCSM.T_DISCONNECT, 2)]), 2),
                invoke(AC, charging(60), 3),
                invoke(CIRQ, CallInformationRequestArg(requested_information_type_list=wanted), 4),
                invoke(TEST, None, 5),
                invoke(CONTINUE, None, 6),
            ]
            return [going_on(message, *operations)]
        kinds = [
            (part.opcode, FAST.decode_argument(part.opcode, part.parameter, 2))
            for part in message.components
            if isinstance(part, tcap.Invoke)
        ]
        reports.extend(kinds)
        if (ERB, EventTypeBCSM.T_DISCONNECT) in [
            (op, getattr(arg, "event_type_bcsm", None)) for op, arg in kinds
        ]:
            return [tcap.build_end(message.otid, b"", [invoke(RELEASE, b"\x80\x90", 7)])]
        return []

    scenario = Scenario(attempts=QUICK)
    [result], scf = play(everything_sent, script, PlannedCall(scenario, Expectation(ended=False)))
    assert result.faults == []
    assert [opcode for opcode, _ in reports] == [ERB, ACR, ERB, CIRP]
    answer, _, disconnect, information = [argument for _, argument in reports]
    assert answer.event_type_bcsm is EventTypeBCSM.T_ANSWER
    assert answer.misc_call_info.message_type.identifier == "notification"
    assert disconnect.misc_call_info.message_type.identifier == "request"
    assert disconnect.leg_id.value == b"\2"
    assert len(information.requested_information_list) == 4
    assert result.outcome == "continued, released with cause 16"
    assert [step.message for step in result.steps if not step.outward] == ["TC-CONTINUE", "TC-END"]
    assert any("result of invocation 5" in step.components for step in result.steps)
    results = [p for m in scf.received_messages for p in m.components if isinstance(p, tcap.ReturnResult)]
    assert [part.invoke_id for part in results] == [5]


@pytest.mark.parametrize("version", [2, 3, 4])
def test_charged_period_with_release(everything_sent, version):
    messages = []

    def script(message, number):
        messages.append(message)
        operations = [invoke(AC, charging(0.1, version, release=True), 1, version), invoke(CONTINUE, None, 2)]
        return [going_on(message, *operations)] if number == 0 else []

    scenario = Scenario(version=version, attempts=(Attempt(ring=0.01, talk=9),))
    [result], _ = play(everything_sent, script, PlannedCall(scenario))
    assert result.faults == []
    assert messages[-1].kind == tcap.END
    [report] = messages[-1].components
    assert report.opcode == ACR
    assert result.steps[-1].components[0] == "applyChargingReport 0.1 s, final"


@pytest.mark.parametrize("event_first", [False, True])
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("prearranged_end", [False, True])
def test_a_charged_call_is_reported_in_either_order_in_one_message_or_two(
    everything_sent, event_first, separate, prearranged_end
):
    messages = []

    def script(message, number):
        messages.append(message)
        armed = arm(legs=[(EventTypeBCSM.T_DISCONNECT, 2)], mode=MonitorMode.NOTIFY_AND_CONTINUE)
        operations = [invoke(RRB, armed, 1), invoke(AC, charging(60), 2), invoke(CONTINUE, None, 3)]
        return [going_on(message, *operations)] if number == 0 else []

    scenario = Scenario(
        attempts=QUICK, event_first=event_first, separate=separate, prearranged_end=prearranged_end
    )
    [result], _ = play(everything_sent, script, PlannedCall(scenario))
    assert result.faults == []
    order = [ERB, ACR] if event_first else [ACR, ERB]
    reports = [[part.opcode for part in message.components] for message in messages[1:]]
    assert reports == ([[order[0]], [order[1]]] if separate else [order])
    last = tcap.CONTINUE if prearranged_end else tcap.END
    assert [message.kind for message in messages[1:]] == ([tcap.CONTINUE, last] if separate else [last])
    assert (result.steps[-1].message == "local end") is prearranged_end


def test_a_switch_that_loses_an_answered_call_says_nothing_more(everything_sent):
    def script(message, number):
        operations = [invoke(RRB, arm(EventTypeBCSM.T_DISCONNECT), 1), invoke(CONTINUE, None, 2)]
        return [going_on(message, *operations)] if number == 0 else []

    scenario = Scenario(attempts=(Attempt(ring=0.01, talk=0.01, finish=Finish.LOST),))
    [result], scf = play(everything_sent, script, PlannedCall(scenario), give_up=1.0)
    assert result.faults == []
    assert [message.kind for message in scf.received_messages] == [tcap.BEGIN]


def test_a_switch_can_abort_the_dialogue_of_an_answered_call(everything_sent):
    def script(message, number):
        operations = [invoke(RRB, arm(EventTypeBCSM.T_DISCONNECT), 1), invoke(CONTINUE, None, 2)]
        return [going_on(message, *operations)] if number == 0 else []

    scenario = Scenario(attempts=(Attempt(ring=0.01, talk=0.01, finish=Finish.ABORT),))
    [result], scf = play(everything_sent, script, PlannedCall(scenario))
    assert result.faults == []
    assert [message.kind for message in scf.received_messages] == [tcap.BEGIN, tcap.ABORT]


def test_follow_on_call(everything_sent):
    def script(message, number):
        if number == 0:
            return [going_on(message, invoke(RRB, arm(EventTypeBCSM.T_BUSY), 1), invoke(CONTINUE, None, 2))]
        other = ConnectArg(destination_routing_address=(CalledPartyNumber("46709", 4).encode(),))
        return [tcap.build_end(message.otid, b"", [invoke(CONNECT, other, 3)])]

    scenario = Scenario(attempts=(Attempt(ending=Ending.BUSY, ring=0.01),))
    [result], _ = play(everything_sent, script, PlannedCall(scenario))
    assert result.faults == []
    assert result.routed_to == "46709"


@pytest.mark.parametrize(
    ("component", "action", "code"),
    [
        (encode_return_error(1, 6), Action.ERROR, 6),
        (encode_reject(1, 1, 2), Action.REJECT, 0x0102),
    ],
)
@pytest.mark.parametrize("ended", [True, False])
def test_errors_and_rejects(everything_sent, component, action, code, ended):
    script = {True: end, False: going_on}[ended]
    [result], scf = play(
        everything_sent,
        lambda message, n: [script(message, component)] if n == 0 else [],
        PlannedCall(Scenario(), Expectation(action=action, code=code)),
    )
    assert result.passed is ended
    kinds = [message.kind for message in scf.received_messages]
    assert kinds == ([tcap.BEGIN] if ended else [tcap.BEGIN, tcap.ABORT])
    if not ended:
        assert "error or reject in TC-CONTINUE (TS 29.078 §14.1.2.2.1)" in result.faults


def test_aborts_are_named(everything_sent):
    def refused(begin, _):
        return [tcap.build_abort(begin.otid, encode_dialogue(Aare(begin.dialogue.context, 1, 1, 2)))]

    def out_of_resources(begin, _):
        return [tcap.build_p_abort(begin.otid, 4)]

    for script, words in ((refused, "application context refused"), (out_of_resources, "resourceLimitation")):
        [result], _ = play(everything_sent, script, PlannedCall(Scenario(), Expectation(action=Action.ABORT)))
        assert result.faults == []
        assert result.answer.words == words


def test_what_is_wrong_is_said(everything_sent):
    scenario = Scenario(tssf=0.1)
    [result], _ = play(
        everything_sent, lambda *_: [], PlannedCall(scenario, Expectation(action=Action.CONNECT))
    )
    assert result.faults == ["nothing instead of connect", "no instruction before Tssf expired"]
    assert result.steps[-1].message == "local abort"

    [result], _ = play(
        everything_sent,
        lambda begin, _: [end(begin, invoke(RELEASE, b"\x80\x95"))],
        PlannedCall(Scenario(), Expectation(action=Action.CONTINUE, code=16, ended=False)),
    )
    assert result.faults[:3] == [
        "release instead of continue",
        "code 21 instead of 16",
        "TC-END instead of TC-CONTINUE",
    ]


def test_an_answer_that_does_not_echo_the_context_is_an_abnormal_dialogue(everything_sent):
    [result], _ = play(
        everything_sent,
        lambda begin, _: [tcap.build_end(begin.otid, b"", [invoke(CONTINUE)])],
        PlannedCall(Scenario(), Expectation(action=Action.CONTINUE)),
    )
    assert result.faults == ["abort instead of continue"]
    assert result.answer.words == "abnormalDialogue"


def test_an_operation_that_does_not_decode_is_rejected_and_the_call_goes_on(everything_sent):
    def script(message, number):
        if number == 0:
            bad = tcap.encode_invoke(1, CONNECT, b"\x30\x00")
            return [going_on(message, bad)]
        if number == 1:
            assert [type(part) for part in message.components] == [tcap.Reject]
            return [tcap.build_end(message.otid, b"", [invoke(CONTINUE, None, 2)])]
        return []

    [result], scf = play(everything_sent, script, PlannedCall(Scenario()))
    assert len(result.faults) == 1
    assert result.faults[0].startswith("operation 20: ")
    assert len(scf.received_messages) == 2
    assert result.outcome.startswith("continued")


def test_operations_that_this_gsmssf_refuses_get_their_error(everything_sent):
    def script(message, number):
        if number == 0:
            reset = invoke(RESET, ResetTimerArg(timervalue=3), 1)
            return [going_on(message, reset, invoke(RRB, arm(EventTypeBCSM.O_ANSWER), 2))]
        if number == 1:
            [error] = message.components
            assert (error.invoke_id, error.error) == (2, 15)
            return [tcap.build_end(message.otid, b"", [invoke(CONTINUE, None, 3)])]
        return []

    [result], _ = play(everything_sent, script, PlannedCall(Scenario()))
    assert result.faults == ["event 7 isn't this call's"]


def test_what_sccp_brings_back_ends_the_call(everything_sent):
    [result], _ = play(everything_sent, lambda *_: [RETURNED], PlannedCall(Scenario()))
    cause = "unequipped user (return cause 4, Q.713 §3.12)"
    assert result.faults == [f"the message was returned by SCCP: {cause}", "no answer"]
    assert result.steps[-1].components == (cause,)
    lines = ladder_of(result).splitlines()
    [arrow] = [at for at, line in enumerate(lines) if "TC-NOTICE" in line]
    assert lines[arrow].strip("0123456789. ms│◀▶─") == "TC-NOTICE"
    assert cause in lines[arrow + 1]
    assert result.outcome == "continued, routing and ringing"


def test_a_destination_that_is_no_number_is_said(everything_sent):
    bad = ConnectArg(destination_routing_address=(b"\x83\x10",))  # an odd number of digits, but none there
    [result], _ = play(
        everything_sent, lambda begin, _: [end(begin, invoke(CONNECT, bad))], PlannedCall(Scenario())
    )
    assert "no number" not in result.routed_to
    assert result.answer.action is Action.CONNECT
    assert result.answer.words.startswith("connect: odd number")
    assert "odd number" in result.steps[1].components[0]
    assert result.routed_to == "8310"


def test_a_dialogue_that_the_other_side_aborts_later(everything_sent):
    def script(message, number):
        if number == 0:
            armed = arm(EventTypeBCSM.T_ANSWER)
            return [going_on(message, invoke(RRB, armed, 1), invoke(CONTINUE, None, 2))]
        return [tcap.build_p_abort(message.otid, 4)]

    [result], _ = play(everything_sent, script, PlannedCall(Scenario(attempts=QUICK)))
    assert result.faults == ["dialogue aborted: resourceLimitation"]


def test_a_dialogue_that_never_ends_is_a_fault(everything_sent):
    def script(message, number):
        reset = invoke(RESET, ResetTimerArg(timervalue=600), 1)
        return [going_on(message, reset)] if number == 0 else []

    [result], _ = play(everything_sent, script, PlannedCall(Scenario()), give_up=0.1)
    assert result.faults == ["the dialogue did not end"]
    assert result.outcome == "continued, routing and ringing"


def test_a_dialogue_that_the_gsmscf_opens_is_refused(everything_sent):
    def script(message, number):
        if number == 0:
            opened = tcap.build_begin(b"\x99\x99\x99\x99", b"", [invoke(TEST, None, 1)])
            return [opened, end(message, invoke(CONTINUE))]
        return []

    [result], scf = play(everything_sent, script, PlannedCall(Scenario()))
    assert result.passed
    assert [(m.kind, m.dtid) for m in scf.received_messages[1:]] == [(tcap.ABORT, b"\x99\x99\x99\x99")]


def test_abandon_before_the_answer(everything_sent):
    [result], scf = play(
        everything_sent, lambda *_: [], PlannedCall(Scenario(abandon_after=0.02), Expectation())
    )
    assert result.passed
    assert len(scf.received_messages) == 1
    assert result.outcome == "continued, released with cause 16"


def test_a_silent_msc_is_given_up_without_a_word(everything_sent):
    def script(message, number):
        return [going_on(message, invoke(RRB, arm(EventTypeBCSM.T_ANSWER)), invoke(CONTINUE, None, 2))]

    scenario = Scenario(silent=True, attempts=QUICK)
    [result], scf = play(everything_sent, script, PlannedCall(scenario), give_up=0.3)
    assert result.passed
    assert len(scf.received_messages) == 1


def test_many_at_once_keep_their_order(everything_sent):
    calls = [
        PlannedCall(
            Scenario(b_number=f"4670000{n:04d}"),
            Expectation(action=Action.CONNECT, number=f"994670000{n:04d}", ended=True),
        )
        for n in range(100)
    ]
    results, scf = play(everything_sent, lambda begin, _: [end(begin, connect(begin))], *calls, at_once=10)
    assert all(result.passed for result in results)
    assert [result.scenario for result in results] == [call.scenario for call in calls]
    assert len({argument_of(begin).call_reference_number for begin in scf.received_messages}) == 100


def test_over_tcp_as_asp_and_as_gateway():
    class Gateway(ScriptedScf):
        def __init__(self, script, clock):
            super().__init__(script, 7, clock)
            from scp.stack.m3ua.settings import SgpSettings
            from scp.stack.m3ua.sgp import Sgp

            self.machine = Sgp(SgpSettings(routing_contexts=(7,)))

    async def as_asp():
        loop = asyncio.get_running_loop()
        scf = Gateway(lambda begin, _: [end(begin, connect(begin))], loop.time)
        listener = Listener("stp", ["127.0.0.1"], 0, lambda _: scf)
        await listener.start()
        heard, shown = [], []
        results = await run_calls(
            [PlannedCall(Scenario(), Expectation(action=Action.CONNECT, ended=True))] * 3,
            network=NETWORK,
            endpoint=Endpoint(side=Side.ASP, port=listener.port),
            random=Random(1),
            on_result=shown.append,
            on_link=lambda what, trouble: heard.append((what, trouble)),
        )
        await listener.close()
        assert [result.passed for result in results] == [True] * 3
        assert shown == results
        assert ("association up", False) in heard

    async def as_gateway():
        loop = asyncio.get_running_loop()
        scf = ScriptedScf(lambda begin, _: [end(begin, connect(begin))], 7, loop.time)
        port = free_tcp_port()
        link = Connector("scf", ["127.0.0.1"], port, scf, random=Random(0))
        task = asyncio.create_task(
            run_calls(
                [PlannedCall(Scenario())],
                network=NETWORK,
                endpoint=Endpoint(listen=True, port=port),
                random=Random(1),
            )
        )
        await link.start()  # it dials again until somebody listens
        [result] = await task
        await link.close()
        assert result.passed

    asyncio.run(as_asp())
    asyncio.run(as_gateway())


def test_nobody_there_is_said():
    async def run():
        await run_calls([], network=NETWORK, endpoint=Endpoint(port=1), random=Random(1), connect_timeout=0.2)

    with pytest.raises(TimeoutError, match="connection refused"):
        virtual_time.run(run())


def test_an_end_that_accepts_and_says_nothing_is_told():
    async def run():
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            await run_calls(
                [], network=NETWORK, endpoint=Endpoint(port=port), random=Random(1), connect_timeout=0.5
            )

    with pytest.raises(TimeoutError, match=r"association up, and silence: does M3UA listen there"):
        virtual_time.run(run())
