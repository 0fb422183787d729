"""How long a simulated switch charges: every rule of TS 29.078 §11.2 and §11.3 that decides about money."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_ssf_call import (
    CONNECT,
    CONTINUE,
    TEST,
    Play,
    arm,
    charge,
    charged,
    event,
    refused,
    release,
    switched,
)

from oracles.examples import examples
from scp.simulator.bcsm import CALLED, CALLING, Event, MonitorMode
from scp.simulator.call import Closing, Phase
from scp.simulator.charged import ChargedTime, Period
from scp.simulator.scenario import Attempt, DefaultHandling, Ending, Finish, Trigger
from ss7.cap.errors import ErrorCode
from ss7.cap.events import BCSMEvent, RequestReportBCSMEventArg
from ss7.cap.operations import Opcode
from ss7.cap.types import DpSpecificCriteria

N = MonitorMode.NOTIFY_AND_CONTINUE
TASK_REFUSED = refused(1, ErrorCode.TASK_REFUSED)


def calls(talk, ring=2.0, **how):
    return Play(attempts=(Attempt(ring=ring, talk=talk),), **how)


def reports(play):
    """When each charging report went out, and what it said."""
    kinds = ("charged", "switched")
    return [(at, one) for at, sent, _ in play.sent for one in sent if one[0] in kinds]


def quotas(play, seconds, **last):
    """Grant the next quota to every report, and have the last one end the call."""
    for at, quota in enumerate(seconds):
        play.say(charge(quota, **(last if at == len(seconds) - 1 else {})))
        play.run(until=play.ssf.charged.next_deadline() - 100)


def test_reports_are_cumulative_and_a_period_counts_from_the_last_ones_end():
    play = calls(900)
    play.say(charge(30.0), CONTINUE)
    play.run(until=32)
    play.now += 1.5  # the gsmSCF thinks: the switch counts (§11.2.2.1, DELTA)
    quotas(play, [60.0, 60.0, 20.0, 30.0], release=True)
    assert reports(play) == [
        (32, charged(30, active=True)),
        (92, charged(90, active=True)),
        (152, charged(150, active=True)),
        (172, charged(170, active=True)),
        (202, charged(200, released=True)),
    ]
    assert play.ssf.charged.connections == [[200]]
    assert play.ssf.phase is Phase.OVER


def test_a_gap_longer_than_the_next_period_ends_that_at_once():
    play = calls(900)
    play.say(charge(10.0), CONTINUE)
    play.run(until=12)
    play.now += 25
    play.say(charge(10.0, release=True))
    play.run()
    assert play.ssf.charged.connections == [[35]]


def test_a_second_period_or_a_second_tariff_switch_is_refused_while_one_is_pending():
    play = calls(900)
    play.say(charge(10.0, tariff_switch=100), CONTINUE)
    assert play.say(charge(10.0)) == ([TASK_REFUSED], Closing.NOT)
    play.run(until=12)
    assert play.say(charge(10.0, tariff_switch=5)) == ([TASK_REFUSED], Closing.NOT)
    assert play.say(charge(10.0)) == ([], Closing.NOT)
    assert len(play.ssf.faults) == 2


def test_after_an_error_the_rest_of_the_message_is_discarded():
    play = calls(900)
    play.say(charge(10.0))
    assert play.say(charge(10.0), CONTINUE)[0] == [TASK_REFUSED]
    assert play.ssf.phase is Phase.AT_TDP


def test_a_tariff_switch_is_reported_once_with_its_interval():
    """40 s of the one tariff and 80 s of the other."""
    play = calls(120)
    play.say(charge(60.0, tariff_switch=42), CONTINUE)  # counted from the operation on: ringing takes 2 s
    play.run(until=62)
    play.say(charge(70.0))
    play.run()
    assert reports(play) == [(62, switched(20, 40, active=True)), (122, switched(80))]
    assert play.ssf.charged.connections == [[40, 80]]


def test_a_tariff_switch_before_answer_has_no_interval():
    play = calls(50, ring=20)
    play.say(charge(60.0, tariff_switch=5), CONTINUE)
    play.run()
    assert reports(play) == [(70, switched(50))]
    assert play.ssf.charged.connections == [[50]]


def test_a_second_tariff_switch_after_the_first():
    play = calls(100)
    play.say(charge(40.0, tariff_switch=22), CONTINUE)
    play.run(until=42)
    play.say(charge(50.0, tariff_switch=30))
    play.run()
    assert reports(play) == [
        (42, switched(20, 20, active=True)),
        (92, switched(20, 50, active=True)),
    ]
    assert play.ssf.charged.connections == [[20, 50, 30]]


def test_a_follow_on_call_is_counted_from_its_own_answer():
    attempts = (Attempt(ring=1, talk=5), Attempt(ring=1, talk=7))
    play = Play(attempts=attempts)
    play.say(arm(Event.T_DISCONNECT, leg=CALLED), charge(60.0), CONTINUE)
    play.run(until=6)
    play.say(charge(60.0), CONNECT)
    play.run()
    assert [one for _, one in reports(play)] == [charged(5), charged(7)]
    assert play.ssf.charged.connections == [[5], [7]]


@pytest.mark.parametrize("hangs_up", [CALLING, CALLED])
def test_a_call_that_hangs_up_between_two_quotas_owes_no_report(hangs_up):
    play = Play(attempts=(Attempt(ring=2, talk=12, hangs_up=hangs_up),))
    play.say(arm(Event.T_DISCONNECT, mode=N, leg=hangs_up), charge(10.0), CONTINUE)
    play.run()
    assert reports(play) == [(12, charged(10, active=True))]
    assert play.sent[-1] == (14, [event(Event.T_DISCONNECT, hangs_up, cause=16)], Closing.END)
    assert play.ssf.charged.connections == [[12]]


# What switches do otherwise


def test_some_switches_count_each_period_from_nothing():
    play = calls(55, by_period=True)
    play.say(charge(20.0), CONTINUE)
    play.run(until=22)
    play.now += 1
    quotas(play, [20.0, 20.0])
    play.run()
    assert [one for _, one in reports(play)] == [
        charged(20, active=True),
        charged(20, active=True),
        charged(15),
    ]
    assert play.ssf.charged.connections == [[55]]


@pytest.mark.parametrize(("silent", "said"), [(False, [charged(0)]), (True, [])])
def test_some_switches_report_no_charge_of_an_abandoned_call(silent, said):
    play = Play(attempts=(Attempt(ending=Ending.ABANDON, ring=3),), silent_abandon=silent)
    play.say(arm(Event.T_ABANDON, mode=N), charge(20.0), CONTINUE)
    assert play.run() == [(3, [*said, event(Event.T_ABANDON, CALLING)], Closing.END)]


@pytest.mark.parametrize("keeps", [False, True])
def test_abandon_stays_armed_at_answer_in_some_switches(keeps):
    play = calls(5, keeps_abandon=keeps)
    play.say(arm(Event.T_ABANDON, mode=N), CONTINUE)
    play.run(until=2)
    play.say(arm(Event.T_ABANDON, mode=MonitorMode.TRANSPARENT))
    assert play.ssf.phase is Phase.ACTIVE
    assert (Event.T_ABANDON, CALLING) not in play.ssf._armed.modes


def test_reports_can_be_missing_or_come_twice():
    play = calls(25, missing_reports=(1,), repeats_reports=True)
    play.say(charge(10.0), CONTINUE)
    play.run(until=12)
    quotas(play, [10.0])
    play.run()
    assert reports(play) == [(22, charged(20, active=True))] * 2


def test_what_a_lost_call_talked_is_known_up_to_its_loss():
    play = Play(attempts=(Attempt(ring=2, talk=7, finish=Finish.LOST),))
    play.say(arm(Event.T_DISCONNECT), charge(60.0), CONTINUE)
    assert play.run() == []
    assert play.ssf.charged.connections == [[7]]


def test_a_release_by_the_gsmscf_is_reported_before_the_dialogue_ends():
    play = calls(100)
    play.say(charge(60.0), CONTINUE)
    play.run(until=2)
    play.now += 41.5
    assert play.say(release(31)) == ([charged(41.5)], Closing.END)
    assert play.ssf.charged.connections == [[41.5]]


def test_a_release_in_tc_end_has_nobody_who_takes_the_report():
    play = calls(100)
    play.say(charge(60.0), CONTINUE)
    play.run(until=22)
    play.say(release(31), ended=True)
    assert play.take() == ([], Closing.NOT)


def test_a_switch_that_answers_no_activity_test_goes_on_with_the_call():
    play = calls(9, tests_unanswered=True)
    play.say(charge(60.0), CONTINUE)
    assert play.say(TEST) == ([], Closing.NOT)
    play.run()
    assert reports(play) == [(11, charged(9))]


@pytest.mark.parametrize(
    ("handling", "phase"), [(DefaultHandling.CONTINUE, Phase.ROUTING), (DefaultHandling.RELEASE, Phase.OVER)]
)
def test_tssf_expires_with_the_default_handling_of_the_subscriber(handling, phase):
    play = Play(tssf=4, default_handling=handling)
    assert play.run() == [(4, [], Closing.ABORT)]
    assert play.ssf.phase is phase


@pytest.mark.parametrize(("timer", "at"), [(15, 15), (40, 30)])
@pytest.mark.parametrize("trigger", list(Trigger))
def test_the_application_timer_ends_the_ringing_before_the_networks_own(trigger, timer, at):
    no_answer = Event.T_NO_ANSWER if trigger is Trigger.TERMINATING else Event.O_NO_ANSWER
    criteria = DpSpecificCriteria("applicationTimer", timer)
    armed = RequestReportBCSMEventArg((BCSMEvent(no_answer, MonitorMode.INTERRUPTED, None, criteria),))
    play = Play(trigger=trigger, attempts=(Attempt(ending=Ending.NO_ANSWER, ring=30),))
    play.say((Opcode.REQUEST_REPORT_BCSM_EVENT, armed), charge(60.0), CONTINUE)
    play.run(until=at)
    assert play.sent == [(at, [charged(0), event(no_answer, CALLED, request=True)], Closing.NOT)]


def test_while_the_call_goes_on_no_request_can_be_armed():
    play = calls(9)
    play.say(charge(60.0), CONTINUE)
    play.run(until=2)
    assert play.say(arm(Event.T_DISCONNECT, leg=CALLED)) == (
        [refused(1, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)],
        Closing.NOT,
    )
    assert play.say(arm(Event.T_DISCONNECT, mode=N, leg=CALLED)) == ([], Closing.NOT)


# All of it against the sum of the seconds


@examples(200)
@given(
    talk=st.integers(1, 3000),
    ring=st.integers(0, 300),
    quotas=st.lists(
        st.tuples(st.integers(1, 900), st.integers(0, 60), st.integers(0, 900)), min_size=1, max_size=8
    ),
)
def test_whatever_is_granted_the_reports_sum_up_to_the_talk_time(talk, ring, quotas):
    """Quotas, gaps before them, and tariff switches, in whole units; the sum is counted as a gsmSCF does it."""
    time, over = ChargedTime(), ring + talk
    (first, _, switch), *others = quotas
    assert time.apply(Period(first, False, CALLING, switch or inf), 0) == ""
    while time.next_deadline() < ring:  # a tariff switch that nobody pays for
        assert not time.tick(time.next_deadline())
    time.answered(ring)
    intervals = since = 0
    granted = inf
    while (now := min(time.next_deadline(), granted)) < over:
        if now == granted:
            quota, _, switch = others.pop(0)
            granted = inf
            if time.apply(Period(quota, False, CALLING, switch or inf), now):
                assert time.apply(Period(quota, False, CALLING), now) == ""
        elif time.tick(now):
            reported = time.report(now, goes_on=True)
            # Two tariff switches between two reports: only the last one's interval is told (§11.3.1.1).
            told = intervals + reported.interval + reported.seconds
            assert told <= now - ring
            intervals, since = intervals + reported.interval, reported.seconds
            granted = now + others[0][1] if others else inf
    final = time.report(over, goes_on=False)
    time.cleared(over)
    assert sum(time.connections[0]) == talk
    if final is not None:
        intervals, since = intervals + final.interval, final.seconds
        if len(time.connections[0]) <= 2:
            assert intervals + since == talk
