"""The gsmSSF's state machine: what a call does with what the gsmSCF says."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.examples import examples
from scp.simulator.bcsm import CALLED, CALLING, MODELS, Event, MonitorMode
from scp.simulator.call import Closing, Phase, Ssf, State
from scp.simulator.scenario import Attempt, Ending, Scenario, Trigger
from scp.simulator.vocabulary import (
    Answered,
    Arm,
    AskInformation,
    CancelAll,
    Charge,
    ChargingReport,
    Edp,
    EventReport,
    InformationReport,
    Instruction,
    Noted,
    NotPlayed,
    Proceed,
    Refused,
    Release,
    Reset,
    TestActivity,
)
from ss7.cap.errors import ErrorCode

R, N = MonitorMode.INTERRUPTED, MonitorMode.NOTIFY_AND_CONTINUE
MARKED = bytes.fromhex("030099001132")


class Play:
    """One call on a clock of its own; keeps every message that the gsmSSF sends."""

    def __init__(self, **scenario):
        self.now = 100.0
        self.ssf = Ssf(Scenario(**scenario), self.now)
        self.sent = []

    def say(self, *wishes, ended=False):
        instructions = [Instruction(number, wish) for number, wish in enumerate(wishes, 1)]
        self.ssf.instructed(instructions, self.now, ended=ended)
        return self.take()

    def take(self):
        sending, closing = self.ssf.take()
        if sending or closing is not Closing.NOT:
            self.sent.append((self.now - 100, sending, closing))
        return sending, closing

    def run(self, until=inf):
        while (due := self.ssf.next_deadline()) <= 100 + until and due < inf:
            assert due >= self.now
            self.now = due
            self.ssf.tick(due)
            self.take()
        return self.sent


def arm(*events, mode=R, leg=0):
    return Arm(tuple(Edp(event, mode, leg) for event in events))


def test_connect_in_end_is_the_whole_conversation():
    play = Play()
    assert play.say(Proceed(MARKED), ended=True) == ([], Closing.NOT)
    assert play.ssf.routed_to == MARKED
    assert play.ssf.state is State.IDLE
    assert play.ssf.phase is Phase.ROUTING
    assert play.run() == []


def test_continue_with_nothing_armed_is_ended_by_the_gsmssf():
    play = Play()
    assert play.say(Proceed()) == ([], Closing.END)
    assert play.ssf.routed_to == b""
    assert play.ssf.faults == []


def test_release_call_ends_the_call():
    play = Play()
    play.say(Release(21), ended=True)
    assert (play.ssf.cause, play.ssf.phase, play.ssf.state) == (21, Phase.OVER, State.IDLE)


@pytest.mark.parametrize("trigger", list(Trigger))
@pytest.mark.parametrize("ending", list(Ending))
def test_an_armed_event_is_reported_once_with_its_leg_and_cause(trigger, ending):
    happening = MODELS[trigger].endings[ending]
    play = Play(trigger=trigger, attempts=(Attempt(ending=ending, ring=3, talk=7),))
    play.say(arm(happening.event, mode=N), Proceed())
    play.run()
    cause = -1 if ending is Ending.ANSWER else happening.cause
    report = EventReport(happening.event, happening.leg, interrupted=False, cause=cause)
    if ending is Ending.ANSWER:
        assert play.sent == [(3, [report], Closing.NOT), (10, [], Closing.END)]
    else:
        assert play.sent == [(3, [report], Closing.END)]
        assert play.ssf.cause == happening.cause


def test_a_request_suspends_the_call_until_the_gsmscf_speaks():
    play = Play(tssf=9, attempts=(Attempt(ring=1, talk=5, hangs_up=CALLING),))
    play.say(arm(Event.T_ANSWER, Event.T_DISCONNECT), Proceed(MARKED))
    play.run(until=1)
    assert play.sent == [(1, [EventReport(Event.T_ANSWER, CALLED, interrupted=True)], Closing.NOT)]
    assert play.ssf.state is State.WAITING
    assert play.ssf.next_deadline() == 110  # nothing but Tssf runs
    play.now = 104
    play.say(Proceed())
    play.run(until=9)
    assert play.sent[1:] == [
        (9, [EventReport(Event.T_DISCONNECT, CALLING, interrupted=True, cause=16)], Closing.NOT)
    ]
    assert play.say(Proceed()) == ([], Closing.END)
    assert play.ssf.phase is Phase.OVER


def test_tssf_expiry_aborts_and_the_call_goes_on_by_default():
    play = Play(tssf=4)
    assert play.run() == [(4, [], Closing.ABORT)]
    assert play.ssf.faults == ["no instruction before Tssf expired"]
    assert play.ssf.phase is Phase.ROUTING
    assert play.ssf.state is State.IDLE


def test_reset_timer_moves_tssf_and_is_refused_while_it_does_not_run():
    play = Play(tssf=4)
    play.say(Reset(60))
    assert play.ssf.next_deadline() == 160
    play.say(arm(Event.T_DISCONNECT), Proceed())
    assert play.say(Reset(60)) == ([Refused(1, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)], Closing.NOT)


def test_follow_on_call_after_busy():
    attempts = (Attempt(ending=Ending.BUSY, ring=1), Attempt(ending=Ending.ANSWER, ring=2, talk=3))
    play = Play(attempts=attempts)
    play.say(arm(Event.T_BUSY), arm(Event.T_NO_ANSWER), Proceed())
    play.run(until=1)
    assert play.sent[-1][1] == [EventReport(Event.T_BUSY, CALLED, interrupted=True, cause=17)]
    play.say(arm(Event.T_ANSWER, mode=N), Proceed(MARKED))
    play.run()
    assert play.sent[1:] == [
        (3, [EventReport(Event.T_ANSWER, CALLED, interrupted=False)], Closing.NOT),
        (6, [], Closing.END),
    ]
    assert play.ssf.routed_to == MARKED


def test_charging_reports_elapsed_time_at_each_period_and_at_the_end():
    play = Play(attempts=(Attempt(ring=2, talk=25),))
    play.say(arm(Event.T_DISCONNECT), Charge(10.0), Proceed())
    play.run(until=12)
    assert play.sent == [(12, [ChargingReport(10, active=True, released=False, leg=CALLING)], Closing.NOT)]
    play.say(Charge(30.0))
    assert play.say(Charge(30.0)) == ([Refused(1, ErrorCode.TASK_REFUSED)], Closing.NOT)
    play.run(until=27)
    assert play.sent[-1][1] == [
        ChargingReport(25, active=False, released=False, leg=CALLING),
        EventReport(Event.T_DISCONNECT, CALLED, interrupted=True, cause=16),
    ]


def test_charged_period_with_release_ends_the_call_and_disarms():
    play = Play(attempts=(Attempt(ring=2, talk=100),))
    play.say(arm(Event.T_DISCONNECT), Charge(10.0, release=True), AskInformation(CALLED, (1, 2)), Proceed())
    play.run()
    assert play.sent == [
        (
            12,
            [
                ChargingReport(10, active=False, released=True, leg=CALLING),
                InformationReport(CALLED, (1, 2), 2, 10, 16),
            ],
            Closing.END,
        )
    ]


def test_charging_of_a_call_that_is_never_answered_reports_zero():
    play = Play(attempts=(Attempt(ending=Ending.NO_ANSWER, ring=20),))
    play.say(Charge(10.0), Proceed())
    play.run()
    assert play.sent == [(20, [ChargingReport(0, active=False, released=False, leg=CALLING)], Closing.END)]


@pytest.mark.parametrize("period", [0.05, 86_400.1])
def test_charging_periods_have_a_range(period):
    play = Play()
    assert play.say(Charge(period))[0] == [Refused(1, ErrorCode.PARAMETER_OUT_OF_RANGE)]


def test_release_in_the_middle_reports_what_is_pending():
    play = Play(attempts=(Attempt(ring=2, talk=100),))
    play.say(arm(Event.T_ANSWER, mode=N), Charge(60.0), AskInformation(CALLED, (30,)), Proceed())
    play.run(until=2)
    play.now = 107
    sending, closing = play.say(Release(31))
    assert sending == [
        ChargingReport(5, active=False, released=False, leg=CALLING),
        InformationReport(CALLED, (30,), 2, 5, 31),
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
    quick.say(Proceed(), ended=True)
    assert quick.run() == []


def test_a_silent_msc_reacts_to_nothing_after_the_answer():
    play = Play(silent=True)
    assert play.say(arm(Event.T_DISCONNECT), Proceed()) == ([], Closing.NOT)
    assert play.say(TestActivity()) == ([], Closing.NOT)
    assert play.ssf.next_deadline() == inf
    play.ssf.tick(1e9)
    assert play.take() == ([], Closing.NOT)


def test_activity_test_is_answered_and_notes_change_nothing():
    play = Play()
    assert play.say(TestActivity(), Noted()) == ([Answered(1)], Closing.NOT)
    assert play.say(NotPlayed(), Noted()) == ([Refused(1, ErrorCode.TASK_REFUSED)], Closing.NOT)
    assert play.ssf.state is State.WAITING


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (arm(Event.O_ANSWER), ErrorCode.UNEXPECTED_DATA_VALUE),
        (arm(99), ErrorCode.UNEXPECTED_DATA_VALUE),
        (arm(Event.T_ANSWER, leg=3), ErrorCode.UNKNOWN_LEG_ID),
    ],
)
def test_events_that_this_call_does_not_have_are_refused(wish, code):
    play = Play()
    assert play.say(wish) == ([Refused(1, code)], Closing.NOT)
    assert len(play.ssf.faults) == 1


def test_instructions_that_nobody_awaits():
    play = Play()
    play.say(arm(Event.T_DISCONNECT), Proceed())
    assert play.say(Proceed(MARKED)) == ([Refused(1, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)], Closing.NOT)
    assert play.say(Proceed()) == ([], Closing.NOT)  # class 4: nothing to answer with
    assert len(play.ssf.faults) == 2
    assert play.ssf.routed_to == b""


def test_connect_after_answer_is_refused_and_continue_still_possible():
    play = Play(attempts=(Attempt(ring=1),))
    play.say(arm(Event.T_ANSWER), Proceed())
    play.run(until=1)
    assert play.say(Proceed(MARKED))[0] == [Refused(1, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)]
    assert play.ssf.state is State.WAITING
    play.say(Proceed())
    assert play.ssf.phase is Phase.ACTIVE


def test_call_information_can_be_asked_for_once_a_leg():
    play = Play()
    assert play.say(AskInformation(), AskInformation())[0] == [Refused(2, ErrorCode.TASK_REFUSED)]


def test_transparent_and_cancel_disarm():
    play = Play(attempts=(Attempt(ring=1, talk=1),))
    play.say(
        arm(Event.T_ANSWER, Event.T_DISCONNECT), arm(Event.T_ANSWER, mode=MonitorMode.TRANSPARENT), Proceed()
    )
    play.run()
    assert [event.event for _, sending, _ in play.sent for event in sending] == [Event.T_DISCONNECT]
    play = Play(attempts=(Attempt(ring=1, talk=1),))
    assert play.say(arm(Event.T_ANSWER), Charge(5.0), CancelAll(), Proceed()) == ([], Closing.END)


wishes = st.one_of(
    st.builds(
        Arm,
        st.lists(
            st.builds(Edp, st.sampled_from([*Event, 99]), st.sampled_from(MonitorMode), st.integers(0, 3)),
            max_size=4,
        ).map(tuple),
    ),
    st.builds(Proceed, st.sampled_from([b"", MARKED])),
    st.builds(Release, st.integers(1, 127)),
    st.builds(Charge, st.sampled_from([0.0, 0.1, 1.0, 5.0]), st.booleans(), st.integers(1, 2)),
    st.builds(Reset, st.integers(1, 9)),
    st.builds(AskInformation, st.integers(1, 2), st.just((1, 2, 30))),
    st.just(TestActivity()),
    st.just(CancelAll()),
    st.just(Noted()),
    st.just(NotPlayed()),
)
steps = st.one_of(
    st.tuples(st.just("say"), st.lists(wishes, max_size=4), st.booleans()),
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
    history=st.lists(steps, max_size=12),
)
def test_no_history_leaves_a_dialogue_hanging_or_speaks_after_its_end(
    trigger, endings, abandon, silent, history
):
    attempts = tuple(Attempt(ending=ending, ring=1, talk=2) for ending in endings)
    play = Play(trigger=trigger, attempts=attempts, abandon_after=abandon, silent=silent, tssf=4)
    ssf, over, lost = play.ssf, False, False

    def note(result):
        nonlocal over
        sending, closing = result
        assert not (over and (sending or closing is not Closing.NOT)), "spoke after the end"
        over = over or closing is not Closing.NOT or ssf.state is State.IDLE
        assert over or lost or ssf.next_deadline() < inf, "a dialogue that nothing will end"

    for step, argument, ended in history:
        if step == "say":
            lost = lost or (silent and not ended and not over)
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
    if not lost:
        assert len(play.run()) < 60
        assert ssf.state is State.IDLE
