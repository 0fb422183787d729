"""The load generator against a scripted gsmSCF, over loopback and over TCP."""

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from scripted_scf import RETURNED, ScriptedScf, argument_of, end, going_on, invoke, marked

from oracles import virtual_time
from oracles.examples import examples
from oracles.loopback import pair
from oracles.servers import free_tcp_port
from oracles.waiting import PATIENCE, until
from scp.bench.answers import Case, Checker, backward
from scp.bench.held_script import Then
from scp.bench.load import Load, LoadCall, LoadPlan, run_load
from scp.bench.template import Template
from scp.net.tcp import Connector
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action, Expectation
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario, Trigger
from ss7 import m3ua, sccp, tcap
from ss7.cap.charging import decode_contained, time_duration_charging
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_VERSION
from ss7.cap.events import EventTypeBCSM, MessageType
from ss7.cap.types import ApplyChargingArg, ConnectArg, ResetTimerArg
from ss7.digits import isup_octets
from ss7.isup import CalledPartyNumber

CONNECT, CONTINUE, RELEASE, ACTIVITY_TEST = 20, 31, 22, 55
RESET_TIMER, APPLY_CHARGING, APPLY_CHARGING_REPORT = 33, 35, 36
NETWORK = Network(routing_context=7)
PLAN = LoadPlan(window=8, calls=100, duration=20, timeout=0.3, connect_timeout=2)


def connect(begin, prefix="99"):
    return invoke(CONNECT, ConnectArg(destination_routing_address=(marked(begin, prefix),)))


def play(script, calls, plan=PLAN, scenario=None, **network):
    """Run a load over a loopback pair and return its report and the scripted gsmSCF."""

    async def run():
        loop = asyncio.get_running_loop()
        net = Network(**({"routing_context": 7} | network))
        load = Load(scenario or Scenario(), calls, plan, net, [Endpoint()], first_tid=0xFFFFFFF0)
        load.clock = loop.time
        scf = ScriptedScf(script, routing_context=7, clock=loop.time)
        pair(load.associations[0], scf)
        return await load.run(), scf

    return virtual_time.run(run())


STEERED = [
    LoadCall(
        b_number=f"4670{n:07d}",
        expected=Expectation(action=Action.CONNECT, number=f"994670{n:07d}", ended=True),
    )
    for n in range(7)
]


def test_every_call_is_answered_and_checked():
    report, scf = play(lambda begin, _: [end(begin, connect(begin))], STEERED)
    assert (report.sent, report.answered, report.wrong, report.missing, report.stray) == (100, 100, {}, 0, 0)
    assert report.passed
    assert report.most_outstanding <= 8
    assert len({message.otid for message in scf.received_messages}) == 100
    assert report.latency_us == report.since_sent_us
    assert report.latency_us["50"] <= report.latency_us["99"] <= report.latency_us["max"]
    arguments = [argument_of(message) for message in scf.received_messages]
    called = [CalledPartyNumber.decode(argument.called_party_number).digits for argument in arguments]
    assert called == [STEERED[n % 7].b_number for n in range(100)]
    assert [argument.call_reference_number for argument in arguments] == [
        m.otid for m in scf.received_messages
    ]


def test_wrong_answers_are_told_apart():
    def script(begin, number):
        if number % 4 == 0:
            return [end(begin, connect(begin))]
        if number % 4 == 1:
            return [end(begin, invoke(CONTINUE))]
        if number % 4 == 2:
            return [end(begin, connect(begin, "98"))]
        return [tcap.build_end(begin.otid, b"", [connect(begin)])]

    calls = STEERED[:1]
    report, _ = play(script, calls)
    number = calls[0].expected.number
    assert report.wrong == {
        f"continue instead of connect; number none instead of {number}": 25,
        f"number 98{number[2:]} instead of {number}": 25,
        "application context not echoed in the answer (Q.774 §3.2.1)": 25,
    }
    assert not report.passed


def test_reasons_of_wrong_answers_are_bounded():
    calls = [
        LoadCall(b_number="4670000001", expected=Expectation(action=Action.CONNECT, number=f"99{n}"))
        for n in range(50)
    ]
    report, _ = play(lambda begin, _: [end(begin, invoke(CONTINUE))], calls)
    assert len(report.wrong) == 21
    assert report.wrong["for other reasons"] == 60


def test_missing_and_stray_answers_are_counted():
    def script(begin, number):
        answer = end(begin, invoke(CONTINUE))
        return ([], [answer, answer], [answer])[number % 3]

    calls = [LoadCall(b_number="46700000001", expected=Expectation(action=Action.CONTINUE))]
    report, _ = play(script, calls, LoadPlan(window=50, calls=30, timeout=0.1))
    assert (report.sent, report.answered, report.missing, report.stray) == (30, 20, 10, 10)
    assert not report.passed


def test_what_sccp_brings_back_is_missing_at_once_and_counted_by_cause():
    def script(begin, number):
        return [RETURNED] if number % 3 else [end(begin, invoke(CONTINUE))]

    calls = [LoadCall(b_number="46700000001", expected=Expectation(action=Action.CONTINUE))]
    report, _ = play(script, calls, LoadPlan(window=4, calls=30, timeout=3600))
    assert (report.sent, report.answered, report.missing, report.stray) == (30, 10, 20, 0)
    assert report.returned == {"unequipped user (return cause 4, Q.713 §3.12)": 20}
    assert not report.passed


def test_reports_of_a_held_dialogue_that_come_back_end_it():
    def script(message, _):
        return [going_on(message, invoke(CONTINUE))] if message.kind == tcap.BEGIN else [RETURNED]

    plan = LoadPlan(window=4, calls=8, timeout=3600, then=Then.REPORT)
    report, _ = play(script, [LoadCall(b_number="46700000001")], plan)
    assert (report.answered, report.missing, report.ended) == (8, 8, 0)
    assert sum(report.returned.values()) == 8


def test_dialogues_held_open_are_ended():
    report, scf = play(
        lambda message, _: [going_on(message, connect(message))] if message.kind == tcap.BEGIN else [],
        [LoadCall(b_number="46700000001", expected=Expectation(action=Action.CONNECT, ended=False))],
    )
    assert report.passed
    assert sum(message.kind == tcap.END for message in scf.received_messages) == 100
    assert {m.dtid for m in scf.received_messages if m.kind == tcap.END} == {b"\1\2\3\4"}


def reporting(answers=True, last=CONTINUE):
    """A script that holds every dialogue open and ends it at the second report."""

    def script(message, _):
        if message.kind == tcap.BEGIN:
            return [going_on(message, connect(message), tid=message.otid)]
        report = argument_of(message)
        over = report.event_type_bcsm == EventTypeBCSM.T_DISCONNECT
        assert report.misc_call_info.message_type == (
            MessageType.REQUEST if over else MessageType.NOTIFICATION
        )
        assert message.components[0].invoke_id == (3 if over else 2)
        return [tcap.build_end(message.otid, b"", [invoke(last)])] if over and answers else []

    return script


HELD = [LoadCall(b_number="46700000001", expected=Expectation(action=Action.CONNECT, ended=False))]


def test_answer_and_disconnect_are_reported_and_the_gsmscf_ends_the_dialogue():
    report, scf = play(reporting(), HELD, replace(PLAN, then=Then.REPORT))
    assert report.passed
    assert (report.sent, report.answered, report.ended, report.stray) == (100, 100, 100, 0)
    assert report.most_outstanding <= 8
    continues = [message for message in scf.received_messages if message.kind == tcap.CONTINUE]
    assert len(continues) == 200
    assert all(message.otid == message.dtid for message in continues)


def test_a_held_dialogue_that_ends_wrongly_or_not_at_all_is_noticed():
    report, _ = play(reporting(last=ACTIVITY_TEST), HELD, replace(PLAN, then=Then.REPORT))
    assert sum(report.wrong.values()) == 100
    report, _ = play(reporting(answers=False), HELD, replace(PLAN, then=Then.REPORT, calls=10, timeout=0.1))
    assert (report.answered, report.ended, report.missing) == (10, 0, 10)


def charging(message, _):
    """A script that gives a quota, one more at the first report, and ends the call at the last."""
    if message.kind == tcap.BEGIN:
        period = invoke(APPLY_CHARGING, ApplyChargingArg(time_duration_charging(600, 2)), 1)
        return [going_on(message, period, connect(message), tid=message.otid)]
    [*_, last] = message.components
    if last.opcode == APPLY_CHARGING_REPORT:
        period = invoke(APPLY_CHARGING, ApplyChargingArg(time_duration_charging(300, 2)), 3)
        return [going_on(message, period, tid=message.otid, first=False)]
    return [tcap.build_end(message.otid, b"", [])] if len(message.components) == 2 else []


def test_a_charged_call_takes_a_quota_and_one_more():
    report, scf = play(charging, HELD, replace(PLAN, then=Then.CHARGE))
    assert report.passed, report.wrong
    assert (report.answered, report.ended, report.quotas, report.stray) == (100, 100, 100, 0)
    told = [[part.opcode for part in m.components] for m in scf.received_messages if m.kind == tcap.CONTINUE]
    assert sorted(map(tuple, told)) == sorted([(24,), (36,), (36, 24)] * 100)
    times = [
        decode_contained("CAMEL-CallResult", argument_of(m), 2).value
        for m in scf.received_messages
        if m.kind == tcap.CONTINUE and m.components[0].opcode == APPLY_CHARGING_REPORT
    ]
    assert {(each.time_information.value, each.leg_active) for each in times} == {(600, True), (723, False)}


def test_a_charged_call_may_be_asked_to_wait_first():
    def script(message, number):
        if message.kind == tcap.BEGIN:
            reset = invoke(RESET_TIMER, ResetTimerArg(10), 1)
            period = invoke(APPLY_CHARGING, ApplyChargingArg(time_duration_charging(600, 2)), 2)
            tid = message.otid
            return [
                going_on(message, reset, tid=tid),
                going_on(message, period, connect(message), tid=tid, first=False),
            ]
        return charging(message, number)

    report, _ = play(script, HELD, replace(PLAN, then=Then.CHARGE))
    assert report.passed, report.wrong
    assert (report.answered, report.ended, report.quotas, report.stray) == (100, 100, 100, 0)
    report, _ = play(
        lambda message, number: script(message, number)[:1], HELD, replace(PLAN, then=Then.CHARGE, calls=8)
    )
    assert (report.answered, report.missing) == (0, 8)


def test_dialogues_can_be_left_open():
    report, scf = play(reporting(), HELD, replace(PLAN, then=Then.LEAVE))
    assert report.passed
    assert {message.kind for message in scf.received_messages} == {tcap.BEGIN}


def test_dialogues_can_be_left_open_once_they_are_answered():
    report, scf = play(reporting(), HELD, replace(PLAN, then=Then.TALK, calls=8))
    assert report.passed
    kinds = [message.kind for message in scf.received_messages]
    assert (kinds.count(tcap.BEGIN), kinds.count(tcap.CONTINUE), len(kinds)) == (8, 8, 16)


def test_a_transaction_id_of_another_length_gets_its_reports_too():
    def script(message, _):
        if message.kind == tcap.BEGIN:
            return [going_on(message, connect(message), tid=b"\7")]
        return []

    report, scf = play(script, HELD, replace(PLAN, then=Then.REPORT, calls=2, timeout=0.1))
    assert report.answered == 2
    assert [message.dtid for message in scf.received_messages if message.kind == tcap.CONTINUE] == [b"\7"] * 4


def test_aborts_are_answers():
    report, _ = play(
        lambda begin, _: [tcap.build_p_abort(begin.otid, 4)],
        [LoadCall(b_number="46700000001", expected=Expectation(action=Action.CONNECT))],
    )
    assert report.wrong == {"abort instead of connect": 100}


def test_a_rate_beyond_the_window_gives_no_call_up():
    """Calls leave ever later than they were due; each is waited for from when it was sent."""
    plan = LoadPlan(rate=100_000, window=8, duration=1.5, calls=0, timeout=0.5)
    report, _ = play(lambda begin, _: [end(begin, connect(begin))], STEERED, plan)
    assert report.late_us["max"] > 500_000, "later than the time that an answer has"
    assert (report.missing, report.stray, report.answered) == (0, 0, report.sent)


class SlowScf(ScriptedScf):
    """Answers after 50 ms: with eight calls outstanding no more than 160 a second."""

    def received(self, messages):
        asyncio.get_running_loop().call_later(0.05, super().received, messages)


def test_beyond_what_the_gsmscf_does_a_load_ends_when_its_time_is_up():
    """What was due and could not leave is counted, and not made up for."""

    async def run():
        plan = LoadPlan(rate=2_000, window=8, duration=0.5, timeout=20)
        load = Load(Scenario(), STEERED, plan, NETWORK, [Endpoint()])
        load.clock = asyncio.get_running_loop().time
        scf = SlowScf(lambda begin, _: [end(begin, connect(begin))], 7, asyncio.get_running_loop().time)
        pair(load.associations[0], scf)
        return await load.run()

    report = virtual_time.run(run())
    assert report.sent + report.unsent == 1_001
    assert report.sent <= 88
    assert (report.missing, report.wrong, report.answered) == (0, {}, report.sent)


def test_a_rate_is_kept_and_time_counts_from_when_a_call_was_due():
    async def run():
        loop = asyncio.get_running_loop()
        plan = LoadPlan(rate=500, window=1000, duration=0.5)
        load = Load(Scenario(), [LoadCall(b_number="46700000001")], plan, NETWORK, [Endpoint()])
        load.clock = loop.time
        scf = ScriptedScf(lambda begin, _: [end(begin, invoke(CONTINUE))], 7, loop.time)
        pair(load.associations[0], scf)
        loop.call_later(0.2, loop.stall, 0.1)
        return await load.run()

    report = virtual_time.run(run())
    assert report.sent == 251
    assert report.answered == report.sent
    # The 50 calls that were due during the stall waited up to 0.1 s, although they were sent after it.
    assert report.latency_us["max"] >= 80_000
    assert report.latency_us["90"] >= 30_000
    assert report.since_sent_us["mean"] < report.latency_us["mean"]


@pytest.mark.parametrize("listen", [False, True])
def test_over_tcp_both_ways_round(listen):
    async def run():
        loop = asyncio.get_running_loop()
        scf = ScriptedScf(lambda begin, _: [end(begin, connect(begin))], 7, loop.time)
        from scp.net.tcp import Listener

        port = free_tcp_port()
        listener = Listener("scf", ["127.0.0.1"], port, lambda _: scf)
        if not listen:
            await listener.start()
        link = Connector("scf", ["127.0.0.1"], port, scf, random=Random(0))
        task = asyncio.create_task(
            run_load(
                Scenario(),
                STEERED,
                replace(PLAN, duration=PATIENCE, timeout=PATIENCE, connect_timeout=PATIENCE),
                network=NETWORK,
                endpoint=Endpoint(listen=listen, port=port),
                random=Random(1),
            )
        )
        if listen:
            await link.start()
        report = await task
        await link.close()
        await listener.close(abort=True)
        return report

    report = asyncio.run(run())
    assert report.passed
    assert report.calls_per_second > 0


def test_several_asps_share_the_calls_and_one_that_leaves_gets_no_more():
    async def run():
        loop = asyncio.get_running_loop()
        load = Load(
            Scenario(),
            STEERED,
            replace(PLAN, calls=0, duration=PATIENCE, timeout=PATIENCE),
            NETWORK,
            [Endpoint(port=1), Endpoint(port=2)],
        )
        scfs = [
            ScriptedScf(lambda begin, _: [end(begin, connect(begin))], 7, loop.time)
            for _ in load.associations
        ]
        for association, scf in zip(load.associations, scfs, strict=True):
            pair(association, scf)
        working = asyncio.ensure_future(load.run())
        await until(lambda: min(len(scf.received_messages) for scf in scfs) >= 50)
        scfs[0].machine.deactivate(loop.time())
        scfs[0].flush()
        await until(lambda: not load.associations[0].active)
        left = len(scfs[0].received_messages)
        count = len(scfs[1].received_messages)
        await until(lambda: len(scfs[1].received_messages) >= count + 100)
        load.stop()
        return await working, scfs, left

    report, scfs, left = asyncio.run(run())
    assert report.passed
    assert (report.missing, report.stray) == (0, 0)
    assert report.shares == {f"127.0.0.1:{n}": len(scf.received_messages) for n, scf in enumerate(scfs, 1)}
    assert len(scfs[0].received_messages) - left <= PLAN.window, "no more than were on their way"
    for way, scf in enumerate(scfs):
        early = scf.received_messages[:50]
        assert {message.otid[3] % 2 for message in early} == {way}, "by SLS"


def test_no_association_is_said():
    async def run():
        await run_load(
            Scenario(),
            STEERED,
            LoadPlan(connect_timeout=0.2),
            network=NETWORK,
            endpoint=Endpoint(port=1),
            random=Random(1),
        )

    with pytest.raises(
        TimeoutError, match=r"not active after 0\.2 s: 127\.0\.0\.1 port 1: connection refused"
    ):
        virtual_time.run(run())


def test_no_calls_is_refused():
    with pytest.raises(ValueError, match="no calls"):
        play(lambda _begin, _n: [], [])


tids = st.binary(min_size=4, max_size=4)


@examples(40)
@given(
    tid=tids,
    version=st.integers(1, 4),
    trigger=st.sampled_from(Trigger),
    digits=st.text("0123456789", min_size=4, max_size=14),
    gt=st.booleans(),
    context=st.sampled_from([-1, 7]),
)
def test_a_template_filled_in_is_the_message_encoded_afresh(tid, version, trigger, digits, gt, context):
    network = Network(routing_context=context, scp_global_title="46700000001" if gt else "")
    scenario = Scenario(version=version, trigger=trigger, b_number="1" * len(digits), b_nature=2)
    template = Template(scenario, network)
    from msgspec.structs import replace

    from scp.simulator.idp import called_party_octets, initial_dp

    wanted = replace(scenario, b_number=digits)
    octets = template.message(tid, called_party_octets(wanted))
    data = m3ua.decode_data(octets)
    assert (data.opc, data.dpc, data.sls, data.routing_context) == (187, 185, tid[3] & 15, context)
    message = tcap.decode(sccp.decode(data.payload).data)
    assert message.otid == tid
    assert message.dialogue.context == BY_VERSION[version].octets
    [component] = message.components
    assert FAST.decode_argument(0, component.parameter, version) == initial_dp(wanted, tid)


class FakeBegin:
    """As much of a BEGIN as building an answer takes."""

    def __init__(self, tid):
        from ss7.tcap_dialogue import Aarq

        self.otid = tid
        self.dialogue = Aarq(BY_VERSION[2].octets)


def wrapped(payload, routing_context=7):
    unit = sccp.udt(NETWORK.called(), NETWORK.calling(), payload, 1)
    return m3ua.DataEncoder(routing_context).encode(185, 187, 3, 0, 0, 0, unit)


@examples(60)
@given(
    tid=tids,
    digits=st.text("0123456789", min_size=1, max_size=16),
    context=st.sampled_from([-1, 7]),
    long=st.booleans(),
)
def test_answers_are_found_whatever_their_form(tid, digits, context, long):
    address = CalledPartyNumber(digits, 4).encode()
    component = invoke(CONNECT, ConnectArg(destination_routing_address=(address,)))
    for kind, short in (
        (tcap.END, end(FakeBegin(tid), component)),
        (tcap.CONTINUE, going_on(FakeBegin(tid), component, tid=b"\7")),
        (tcap.ABORT, tcap.build_p_abort(tid, 1)),
    ):
        octets = short
        if long and kind != tcap.ABORT:  # long form of length where the short would do
            head = 2 if short[1] < 0x80 else 3
            body = short[head:]
            octets = bytes((kind, 0x82)) + len(body).to_bytes(2, "big") + body
        found = backward(wrapped(octets, context))
        assert (found.kind, found.dtid, found.octets) == (kind, tid, octets)
        assert found.otid == (b"\7" if kind == tcap.CONTINUE else b"")
    checker = Checker(BY_VERSION[2])
    expected = Expectation(action=Action.CONNECT, number=digits, nature=4, ended=True)
    case = Case(b"", expected, isup_octets(digits), 0, 0)
    found = backward(wrapped(end(FakeBegin(tid), component)))
    assert checker.fault(found, case) == checker.fault(found, case) == ""


@given(st.binary(max_size=120))
def test_garbage_is_no_answer(octets):
    assert backward(b"\1\0\1\1" + octets) is None or octets
    backward(wrapped(octets + b"\0"))


def test_a_malformed_answer_is_a_fault():
    octets = end(FakeBegin(b"abcd"), invoke(CONTINUE))
    broken = backward(wrapped(octets[:-2]))
    case = Case(b"", Expectation(action=Action.CONTINUE), b"", 0, 0)
    assert Checker(BY_VERSION[2]).fault(backward(wrapped(octets)), case) == ""
    assert broken is None or Checker(BY_VERSION[2]).fault(broken, case) != ""
