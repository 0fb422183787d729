"""The gsmSSF's state machine: what a call does with what the gsmSCF says."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.examples import examples
from scp.simulator.bcsm import CALLED, CALLING, MODELS, Event, MonitorMode
from scp.simulator.call import Closing, Instruction, Phase, Report, Ssf, State
from scp.simulator.scenario import Attempt, Ending, Finish, Scenario, Trigger
from ss7.cap.charging import decode_contained, time_duration_charging
from ss7.cap.codec import FAST
from ss7.cap.errors import ErrorCode
from ss7.cap.events import BCSMEvent, MessageType, RequestReportBCSMEventArg
from ss7.cap.operations import Opcode
from ss7.cap.types import (
    ApplyChargingArg,
    CallInformationRequestArg,
    CancelArg,
    ConnectArg,
    LegID,
    RequestedInformationType,
    ResetTimerArg,
    SendingSideID,
    TaskRefusal,
)
from ss7.cause import Cause, Location
from ss7.rose import INVOKE_PROBLEM, MISTYPED_PARAMETER, Reject, ReturnError, ReturnResult

R, N = MonitorMode.INTERRUPTED, MonitorMode.NOTIFY_AND_CONTINUE
MARKED = bytes.fromhex("030099001132")
STOPPED = bytes.fromhex("02625021034500")
ATTEMPT, STOP, CONNECTED, CAUSE = RequestedInformationType

# What the gsmSCF says: an operation code and its argument

CONTINUE = (Opcode.CONTINUE, None)
CONNECT = (Opcode.CONNECT, ConnectArg((MARKED,)))
TEST = (Opcode.ACTIVITY_TEST, None)
FURNISH = (Opcode.FURNISH_CHARGING_INFORMATION, b"")
COLLECT = (Opcode.COLLECT_INFORMATION, None)
CANCEL_ALL = (Opcode.CANCEL, CancelArg("allRequests", True))


def arm(*events, mode=R, leg=0):
    legs = LegID("sendingSideID", bytes((leg,))) if leg else None
    armed = tuple(BCSMEvent(event, mode, legs) for event in events)
    return Opcode.REQUEST_REPORT_BCSM_EVENT, RequestReportBCSMEventArg(armed)


def cause(value):
    return Cause(value, Location.LOCAL_PUBLIC_NETWORK).encode()


def release(value):
    return Opcode.RELEASE_CALL, cause(value)


def charge(seconds, *, version=2, leg=CALLING, **how):
    octets = time_duration_charging(round(seconds * 10), version, **how)
    return Opcode.APPLY_CHARGING, ApplyChargingArg(octets, SendingSideID("sendingSideID", bytes((leg,))))


def reset(seconds):
    return Opcode.RESET_TIMER, ResetTimerArg(seconds)


def ask(*wanted, leg=CALLED):
    argument = CallInformationRequestArg(wanted, leg_id=SendingSideID("sendingSideID", bytes((leg,))))
    return Opcode.CALL_INFORMATION_REQUEST, argument


# What the gsmSSF says, in short


def event(kind, leg, *, request=False, cause=-1):
    return "event", kind, leg, request, cause


def charged(seconds, *, active=False, released=False, leg=CALLING):
    return "charged", seconds, active, released, leg


def information(leg, **values):
    return "information", leg, values


def switched(seconds, interval=0, *, active=False, released=False, leg=CALLING):
    return "switched", seconds, interval, active, released, leg


def refused(invoke_id, code):
    task = code is ErrorCode.TASK_REFUSED
    return ReturnError(invoke_id, int(code), FAST.encode_error(code, TaskRefusal.GENERIC, 4) if task else b"")


def shortened(sent, version):
    """Return a report as one of the three above; a result, error or reject as it is."""
    if not isinstance(sent, Report):
        return sent
    argument = sent.argument
    if sent.opcode is Opcode.EVENT_REPORT_BCSM:
        specific = argument.event_specific_information_bcsm
        octets = next(
            (part for part in _fields(specific and specific.value) if isinstance(part, bytes)), None
        )
        return event(
            argument.event_type_bcsm,
            argument.leg_id.value[0],
            request=argument.misc_call_info.message_type is MessageType.REQUEST,
            cause=Cause.decode(octets).value if octets else -1,
        )
    if sent.opcode is Opcode.APPLY_CHARGING_REPORT:
        result = decode_contained("CAMEL-CallResult", argument, version).value
        how = {
            "active": result.leg_active,
            "released": result.call_leg_released_at_tcp_expiry,
            "leg": result.party_to_charge.value[0],
        }
        time = result.time_information.value
        if isinstance(time, int):
            return charged(time / 10, **how)
        return switched(time.time_since_tariff_switch / 10, (time.tariff_switch_interval or 0) / 10, **how)
    if sent.opcode is Opcode.SPECIALIZED_RESOURCE_REPORT:
        return "heard", argument if argument is True else argument.name
    assert sent.opcode is Opcode.CALL_INFORMATION_REPORT
    values = [each.requested_information_value for each in argument.requested_information_list]
    return information(argument.leg_id.value[0], **{value.name: value.value for value in values})


def _fields(struct):
    return () if struct is None else [getattr(struct, name) for name in struct.__struct_fields__]


class Play:
    """One call on a clock of its own; keeps every message that the gsmSSF sends."""

    def __init__(self, **scenario):
        self.now = 100.0
        self.ssf = Ssf(Scenario(**scenario), self.now, lambda: STOPPED)
        self.sent = []

    def say(self, *operations, ended=False):
        instructions = [Instruction(number, *operation) for number, operation in enumerate(operations, 1)]
        self.ssf.instructed(instructions, self.now, ended=ended)
        return self.take()

    def take(self):
        """Take all messages; return their components, and the last one's kind."""
        everything, last = [], Closing.NOT
        while True:
            taken, closing = self.ssf.take()
            sending = [shortened(each, self.ssf.scenario.version) for each in taken]
            if not sending and closing is Closing.NOT:
                return everything, last
            assert last is Closing.NOT, "speaks after the end"
            self.sent.append((self.now - 100, sending, closing))
            everything, last = everything + sending, closing

    def run(self, until=inf):
        while (due := self.ssf.next_deadline()) <= 100 + until and due < inf:
            assert due >= self.now
            self.now = due
            self.ssf.tick(due)
            self.take()
        return self.sent


def test_connect_in_end_is_the_whole_conversation():
    play = Play()
    assert play.say(CONNECT, ended=True) == ([], Closing.NOT)
    assert play.ssf.routed_to == MARKED
    assert play.ssf.state is State.IDLE
    assert play.ssf.phase is Phase.ROUTING
    assert play.run() == []


def test_continue_with_nothing_armed_is_ended_by_the_gsmssf():
    play = Play()
    assert play.say(CONTINUE) == ([], Closing.END)
    assert play.ssf.routed_to == b""
    assert play.ssf.faults == []


def test_release_call_ends_the_call():
    play = Play()
    play.say(release(21), ended=True)
    assert (play.ssf.cause, play.ssf.phase, play.ssf.state) == (21, Phase.OVER, State.IDLE)


@pytest.mark.parametrize("trigger", list(Trigger))
@pytest.mark.parametrize("ending", list(Ending))
def test_an_armed_event_is_reported_once_with_its_leg_and_cause(trigger, ending):
    happening = MODELS[trigger].endings[ending]
    play = Play(trigger=trigger, attempts=(Attempt(ending=ending, ring=3, talk=7),))
    play.say(arm(happening.event, mode=N), CONTINUE)
    play.run()
    has_cause = ending in (Ending.BUSY, Ending.UNREACHABLE)  # TS 29.078 §11.18.1.1
    report = event(happening.event, happening.leg, cause=happening.cause if has_cause else -1)
    if ending is Ending.ANSWER:
        assert play.sent == [(3, [report], Closing.NOT), (10, [], Closing.END)]
    else:
        assert play.sent == [(3, [report], Closing.END)]
        assert play.ssf.cause == happening.cause


def test_a_request_suspends_the_call_until_the_gsmscf_speaks():
    play = Play(tssf=9, attempts=(Attempt(ring=1, talk=5, hangs_up=CALLING),))
    play.say(arm(Event.T_ANSWER, Event.T_DISCONNECT), CONNECT)
    play.run(until=1)
    assert play.sent == [(1, [event(Event.T_ANSWER, CALLED, request=True)], Closing.NOT)]
    assert play.ssf.state is State.WAITING
    assert play.ssf.next_deadline() == 110  # nothing but Tssf runs
    play.now = 104
    play.say(CONTINUE)
    play.run(until=9)
    assert play.sent[1:] == [(9, [event(Event.T_DISCONNECT, CALLING, request=True, cause=16)], Closing.NOT)]
    assert play.say(CONTINUE) == ([], Closing.END)
    assert play.ssf.phase is Phase.OVER


def test_tssf_expiry_aborts_and_the_call_goes_on_by_default():
    play = Play(tssf=4)
    assert play.run() == [(4, [], Closing.ABORT)]
    assert play.ssf.faults == ["no instruction before Tssf expired"]
    assert play.ssf.phase is Phase.ROUTING
    assert play.ssf.state is State.IDLE


def test_reset_timer_moves_tssf_and_is_refused_while_it_does_not_run():
    play = Play(tssf=4)
    play.say(reset(60))
    assert play.ssf.next_deadline() == 160
    play.say(arm(Event.T_DISCONNECT), CONTINUE)
    assert play.say(reset(60)) == ([refused(1, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)], Closing.NOT)


def test_follow_on_call_after_busy():
    attempts = (Attempt(ending=Ending.BUSY, ring=1), Attempt(ending=Ending.ANSWER, ring=2, talk=3))
    play = Play(attempts=attempts)
    play.say(arm(Event.T_BUSY), arm(Event.T_NO_ANSWER), CONTINUE)
    play.run(until=1)
    assert play.sent[-1][1] == [event(Event.T_BUSY, CALLED, request=True, cause=17)]
    play.say(arm(Event.T_ANSWER, mode=N), CONNECT)
    play.run()
    assert play.sent[1:] == [
        (3, [event(Event.T_ANSWER, CALLED)], Closing.NOT),
        (6, [], Closing.END),
    ]
    assert play.ssf.routed_to == MARKED


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("leg", [CALLING, CALLED])
def test_the_report_names_the_party_that_is_charged_in_every_version(version, leg):
    play = Play(version=version, attempts=(Attempt(ring=2, talk=25),))
    play.say(charge(10.0, version=version, leg=leg), CONTINUE)
    play.run(until=12)
    assert play.sent[0][1] == [charged(10, active=True, leg=leg)]


def test_charged_period_with_release_ends_the_call_and_disarms():
    play = Play(attempts=(Attempt(ring=2, talk=100),))
    play.say(arm(Event.T_DISCONNECT), charge(10.0, release=True), ask(STOP, CONNECTED), CONTINUE)
    play.run()
    assert play.sent == [
        (
            12,
            [
                charged(10, active=False, released=True, leg=CALLING),
                information(CALLED, callStopTimeValue=STOPPED, callConnectedElapsedTimeValue=100),
            ],
            Closing.END,
        )
    ]


CHARGED, DISCONNECTED = charged(7), event(Event.T_DISCONNECT, CALLED, cause=16)
ASKED = event(Event.T_DISCONNECT, CALLED, request=True, cause=16)


@pytest.mark.parametrize(
    ("how", "messages"),
    [
        ({}, [([CHARGED, DISCONNECTED], Closing.END)]),
        ({"event_first": True}, [([DISCONNECTED, CHARGED], Closing.END)]),
        ({"separate": True}, [([CHARGED], Closing.NOT), ([DISCONNECTED], Closing.END)]),
        (
            {"event_first": True, "separate": True},
            [([DISCONNECTED], Closing.NOT), ([CHARGED], Closing.END)],
        ),
        ({"prearranged_end": True}, [([CHARGED, DISCONNECTED], Closing.PREARRANGED_END)]),
        (
            {"separate": True, "prearranged_end": True},
            [([CHARGED], Closing.NOT), ([DISCONNECTED], Closing.PREARRANGED_END)],
        ),
    ],
)
def test_switches_differ_in_how_they_report_the_end_of_a_charged_call(how, messages):
    play = Play(attempts=(Attempt(ring=2, talk=7),), **how)
    play.say(arm(Event.T_DISCONNECT, mode=N, leg=CALLED), charge(60.0), CONTINUE)
    assert play.run() == [(9, *message) for message in messages]


@pytest.mark.parametrize(("event_first", "reports"), [(False, [CHARGED, ASKED]), (True, [ASKED, CHARGED])])
def test_either_order_leaves_the_call_suspended_where_the_event_is_a_request(event_first, reports):
    play = Play(attempts=(Attempt(ring=2, talk=7),), event_first=event_first)
    play.say(arm(Event.T_DISCONNECT, leg=CALLED), charge(60.0), CONTINUE)
    play.run(until=9)
    assert play.sent == [(9, reports, Closing.NOT)]
    assert play.ssf.state is State.WAITING


def test_the_event_goes_before_no_more_than_the_charging_report():
    play = Play(attempts=(Attempt(ring=2, talk=7),), event_first=True)
    play.say(arm(Event.T_DISCONNECT, mode=N, leg=CALLED), charge(60.0), ask(CAUSE), CONTINUE)
    play.run()
    assert play.sent[0][1] == [DISCONNECTED, CHARGED, information(CALLED, releaseCauseValue=cause(16))]


def test_a_switch_can_lose_an_answered_call_or_abort_its_dialogue():
    for finish, sent in ((Finish.LOST, []), (Finish.ABORT, [(9, [], Closing.ABORT)])):
        play = Play(attempts=(Attempt(ring=2, talk=7, finish=finish),))
        play.say(arm(Event.T_DISCONNECT), charge(60.0), CONTINUE)
        assert play.run() == sent
        assert play.ssf.lost is (finish is Finish.LOST)
        assert play.say(TEST) == ([], Closing.NOT)
        assert play.ssf.next_deadline() == inf


def test_charging_of_a_call_that_is_never_answered_reports_zero():
    play = Play(attempts=(Attempt(ending=Ending.NO_ANSWER, ring=20),))
    play.say(charge(10.0), CONTINUE)
    play.run()
    assert play.sent == [(20, [charged(0, active=False, released=False, leg=CALLING)], Closing.END)]


@pytest.mark.parametrize(
    "operation",
    [
        (Opcode.RELEASE_CALL, b""),
        (Opcode.APPLY_CHARGING, ApplyChargingArg(bytes.fromhex("a003800100"))),  # a period of 0
        (
            Opcode.APPLY_CHARGING,
            ApplyChargingArg(bytes.fromhex("a0068004000d2f01")),
        ),  # of 864001: above a day
        (Opcode.APPLY_CHARGING, ApplyChargingArg(b"\0\0\0\0\0")),
    ],
)
def test_what_cannot_be_read_inside_an_argument_is_rejected_and_the_rest_discarded(operation):
    play = Play()
    sending, _ = play.say(TEST, operation, TEST, CONTINUE)
    assert sending == [ReturnResult(1), Reject(2, INVOKE_PROBLEM, MISTYPED_PARAMETER)]
    assert len(play.ssf.faults) == 1
    assert play.ssf.state is State.WAITING


def test_call_information_has_the_cause_that_the_call_ended_with():
    attempts = (Attempt(ending=Ending.UNREACHABLE, ring=2),)
    play = Play(trigger=Trigger.ORIGINATING, attempts=attempts)
    play.say(ask(ATTEMPT, CAUSE), CONTINUE)
    play.run()
    report = information(CALLED, callAttemptElapsedTimeValue=2, releaseCauseValue=cause(3))
    assert play.sent == [(2, [report], Closing.END)]


def test_release_in_the_middle_reports_what_is_pending():
    play = Play(attempts=(Attempt(ring=2, talk=100),))
    play.say(arm(Event.T_ANSWER, mode=N), charge(60.0), ask(CAUSE), CONTINUE)
    play.run(until=2)
    play.now = 107
    sending, closing = play.say(release(31))
    assert sending == [
        charged(5, active=False, released=False, leg=CALLING),
        information(CALLED, releaseCauseValue=cause(31)),
    ]
    assert closing is Closing.END


def test_an_error_in_continue_is_aborted_and_in_end_is_not():
    for ended, closing in ((False, Closing.ABORT), (True, Closing.NOT)):
        play = Play()
        play.ssf.failed(play.now, ended=ended)
        assert play.take() == ([], closing)
        assert play.ssf.phase is Phase.ROUTING
        assert bool(play.ssf.faults) is not ended
        play.ssf.failed(play.now, ended=ended)
        play.ssf.aborted(play.now)
        assert play.take() == ([], Closing.NOT)


def test_an_abort_leaves_the_call_to_default_handling():
    play = Play()
    play.ssf.aborted(play.now)
    assert (play.ssf.state, play.ssf.phase) == (State.IDLE, Phase.ROUTING)


def test_abandon_before_any_answer_aborts():
    play = Play(abandon_after=0.5)
    assert play.run() == [(0.5, [], Closing.ABORT)]
    assert play.ssf.phase is Phase.OVER
    quick = Play(abandon_after=0.5)
    quick.say(CONTINUE, ended=True)
    assert quick.run() == []


def test_a_silent_msc_reacts_to_nothing_after_the_answer():
    play = Play(silent=True)
    assert play.say(arm(Event.T_DISCONNECT), CONTINUE) == ([], Closing.NOT)
    assert play.say(TEST) == ([], Closing.NOT)
    assert play.ssf.next_deadline() == inf
    play.ssf.tick(1e9)
    assert play.take() == ([], Closing.NOT)


def test_activity_test_is_answered_and_notes_change_nothing():
    play = Play()
    assert play.say(TEST, FURNISH) == ([ReturnResult(1)], Closing.NOT)
    assert play.say(COLLECT, FURNISH) == ([refused(1, ErrorCode.TASK_REFUSED)], Closing.NOT)
    assert play.ssf.state is State.WAITING


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (arm(Event.O_ANSWER), ErrorCode.UNEXPECTED_DATA_VALUE),
        (arm(99), ErrorCode.UNEXPECTED_DATA_VALUE),
        (arm(Event.T_ANSWER, leg=3), ErrorCode.UNKNOWN_LEG_ID),
    ],
)
def test_events_that_this_call_does_not_have_are_refused(operation, code):
    play = Play()
    assert play.say(operation) == ([refused(1, code)], Closing.NOT)
    assert len(play.ssf.faults) == 1


def test_instructions_that_nobody_awaits():
    play = Play()
    play.say(arm(Event.T_DISCONNECT), CONTINUE)
    assert play.say(CONNECT) == ([refused(1, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)], Closing.NOT)
    assert play.say(CONTINUE) == ([], Closing.NOT)  # class 4: nothing to answer with
    assert len(play.ssf.faults) == 2
    assert play.ssf.routed_to == b""


def test_connect_after_answer_is_refused_and_continue_still_possible():
    play = Play(attempts=(Attempt(ring=1),))
    play.say(arm(Event.T_ANSWER), CONTINUE)
    play.run(until=1)
    assert play.say(CONNECT)[0] == [refused(1, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)]
    assert play.ssf.state is State.WAITING
    play.say(CONTINUE)
    assert play.ssf.phase is Phase.ACTIVE


def test_call_information_can_be_asked_for_once_a_leg():
    play = Play()
    assert play.say(ask(STOP), ask(STOP))[0] == [refused(2, ErrorCode.TASK_REFUSED)]


def test_transparent_and_cancel_disarm():
    play = Play(attempts=(Attempt(ring=1, talk=1),))
    play.say(
        arm(Event.T_ANSWER, Event.T_DISCONNECT), arm(Event.T_ANSWER, mode=MonitorMode.TRANSPARENT), CONTINUE
    )
    play.run()
    assert [sent[1] for _, sending, _ in play.sent for sent in sending] == [Event.T_DISCONNECT]
    play = Play(attempts=(Attempt(ring=1, talk=1),))
    assert play.say(arm(Event.T_ANSWER), charge(5.0), CANCEL_ALL, CONTINUE) == ([], Closing.END)


operations = st.one_of(
    st.builds(arm, st.sampled_from([*Event, 99]), mode=st.sampled_from(MonitorMode), leg=st.integers(0, 3)),
    st.builds(
        charge,
        st.sampled_from([0.1, 1.0, 5.0]),
        release=st.booleans(),
        leg=st.sampled_from([CALLING, CALLED]),
    ),
    st.builds(release, st.integers(1, 127)),
    st.builds(reset, st.integers(1, 9)),
    st.builds(ask, st.just(STOP), st.just(CAUSE), leg=st.sampled_from([CALLING, CALLED])),
    st.sampled_from([CONTINUE, CONNECT, TEST, CANCEL_ALL, FURNISH, COLLECT, (Opcode.RELEASE_CALL, b"")]),
)
steps = st.one_of(
    st.tuples(st.just("say"), st.lists(operations, max_size=4), st.booleans()),
    st.tuples(st.just("time"), st.just(0), st.just(0)),
    st.tuples(st.just("fail"), st.just(0), st.booleans()),
    st.tuples(st.just("abort"), st.just(0), st.just(0)),
)


@examples(200)
@given(
    trigger=st.sampled_from(list(Trigger)),
    endings=st.lists(st.sampled_from(list(Ending)), min_size=1, max_size=3),
    abandon=st.sampled_from([-1.0, 0.5]),
    silent=st.booleans(),
    finish=st.sampled_from(list(Finish)),
    how=st.fixed_dictionaries(
        {name: st.booleans() for name in ("event_first", "separate", "prearranged_end")}
    ),
    history=st.lists(steps, max_size=12),
)
def test_no_history_leaves_a_dialogue_hanging_or_speaks_after_its_end(
    trigger, endings, abandon, silent, finish, how, history
):
    attempts = tuple(Attempt(ending=ending, ring=1, talk=2, finish=finish) for ending in endings)
    play = Play(trigger=trigger, attempts=attempts, abandon_after=abandon, silent=silent, tssf=4, **how)
    ssf, over = play.ssf, False

    def note(result):
        nonlocal over
        sending, closing = result
        assert not (over and (sending or closing is not Closing.NOT)), "spoke after the end"
        over = over or closing is not Closing.NOT or ssf.state is State.IDLE
        assert over or ssf.lost or ssf.next_deadline() < inf, "a dialogue that nothing will end"

    for step, argument, ended in history:
        if step == "say":
            note(play.say(*argument, ended=ended))
        elif step == "fail":
            ssf.failed(play.now, ended=ended)
            note(play.take())
        elif step == "abort":
            ssf.aborted(play.now)
            note(play.take())
        elif ssf.next_deadline() < inf:
            play.now = max(play.now, ssf.next_deadline())
            ssf.tick(play.now)
            note(play.take())
    play.run()
    if not ssf.lost:
        assert len(play.sent) < 60
        assert ssf.state is State.IDLE
