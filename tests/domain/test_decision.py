"""The decision: every combination of flags, and what holds for all of them."""

from __future__ import annotations

import itertools
import re
import timeit

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scp.domain.call import Diversion
from scp.domain.decision import (
    Action,
    CallFacts,
    Decision,
    DigitsPolicy,
    NaturePolicy,
    OnFailure,
    Reason,
    Rules,
    Trigger,
    call_facts,
    decide,
    explain,
    judge,
    path,
    screen,
)
from scp.domain.lookup import StoreFailure
from scp.domain.numbers import Nature, Numbering
from scp.domain.rules import MAX_DIGITS
from scp.domain.subscriber import Subscriber, When

SWEDEN = Numbering("46", never_steer=frozenset({"112"}), home_vlr=("4670",))
RULES = Rules(SWEDEN, prefix="99")
HOME, ABROAD = "46701000000", "31651000000"
CELL, AREA = "62f2100001abcd", "62f2100001"
R = Reason


def subscriber(**changes):
    ready = Subscriber("11234567", authorized=True, aor="sip:b@voip.example", forwarding=True)
    return msgspec.structs.replace(ready, **changes)


def call(digits="0011234567", nature=Nature.UNKNOWN, trigger=Trigger.TERMINATING, **location):
    return call_facts(SWEDEN, trigger, digits, nature, **location)


def steered(reason):
    return Decision(Action.CONNECT, reason, "990011234567", Nature.UNKNOWN)


def continued(reason):
    return Decision(Action.CONTINUE, reason)


# authorized, registered, forwarding → the reason why not, None: the condition decides
FLAGS = {
    (False, False, False): R.NOT_AUTHORIZED,
    (False, False, True): R.NOT_AUTHORIZED,
    (False, True, False): R.NOT_AUTHORIZED,
    (False, True, True): R.NOT_AUTHORIZED,
    (True, False, False): R.NOT_REGISTERED,
    (True, False, True): R.NOT_REGISTERED,
    (True, True, False): R.FORWARDING_DISABLED,
    (True, True, True): None,
}

# trigger, VLR number in the call, stored flag, stored VLR number → reason for a subscriber who forwards while roaming
T, O, F = Trigger.TERMINATING, Trigger.ORIGINATING, Trigger.FORWARDED  # noqa: E741
ROAMING = {
    # Terminating: the call's own VLR number wins over whatever was stored.
    (T, HOME, None, None): R.AT_HOME,
    (T, HOME, True, None): R.AT_HOME,
    (T, HOME, False, None): R.AT_HOME,
    (T, HOME, True, ABROAD): R.AT_HOME,
    (T, ABROAD, None, None): R.FORWARDED_ROAMING,
    (T, ABROAD, True, None): R.FORWARDED_ROAMING,
    (T, ABROAD, False, None): R.FORWARDED_ROAMING,
    (T, ABROAD, False, HOME): R.FORWARDED_ROAMING,
    # Without one the flag decides, and without flag the stored VLR number.
    (T, "", None, None): R.ROAMING_UNKNOWN,
    (T, "", None, HOME): R.AT_HOME,
    (T, "", None, ABROAD): R.FORWARDED_ROAMING,
    (T, "", True, None): R.FORWARDED_ROAMING,
    (T, "", True, HOME): R.FORWARDED_ROAMING,
    (T, "", True, ABROAD): R.FORWARDED_ROAMING,
    (T, "", False, None): R.AT_HOME,
    (T, "", False, HOME): R.AT_HOME,
    (T, "", False, ABROAD): R.AT_HOME,
    # Originating and forwarded: the location is somebody else's.
    (O, HOME, None, None): R.ROAMING_UNKNOWN,
    (O, HOME, True, None): R.FORWARDED_ROAMING,
    (O, HOME, False, None): R.AT_HOME,
    (O, ABROAD, None, None): R.ROAMING_UNKNOWN,
    (O, ABROAD, None, HOME): R.AT_HOME,
    (O, ABROAD, True, None): R.FORWARDED_ROAMING,
    (O, ABROAD, False, None): R.AT_HOME,
    (O, "", None, ABROAD): R.FORWARDED_ROAMING,
    (O, "", True, None): R.FORWARDED_ROAMING,
    (O, "", False, None): R.AT_HOME,
    (F, ABROAD, None, None): R.ROAMING_UNKNOWN,
    (F, ABROAD, True, None): R.FORWARDED_ROAMING,
    (F, ABROAD, False, None): R.AT_HOME,
    (F, HOME, True, None): R.FORWARDED_ROAMING,
}

# trigger, VLR number and areas in the call, stored VLR number, chosen → reason for a subscriber who forwards in places
LOCATIONS = {
    (T, ABROAD, (), None, ("31",)): R.FORWARDED_LOCATION,
    (T, ABROAD, (), None, ("49", "316")): R.FORWARDED_LOCATION,
    (T, ABROAD, (), None, ("49",)): R.OUTSIDE_LOCATIONS,
    (T, ABROAD, (), None, ()): R.OUTSIDE_LOCATIONS,
    (T, ABROAD, (), None, ("",)): R.OUTSIDE_LOCATIONS,
    (T, ABROAD, (), HOME, ("46",)): R.OUTSIDE_LOCATIONS,
    (T, HOME, (CELL,), None, (CELL,)): R.FORWARDED_LOCATION,
    (T, HOME, (CELL,), None, (CELL.upper(),)): R.FORWARDED_LOCATION,
    (T, HOME, (CELL,), None, (AREA,)): R.FORWARDED_LOCATION,
    (T, HOME, (AREA,), None, (AREA,)): R.FORWARDED_LOCATION,
    (T, HOME, (AREA,), None, (CELL,)): R.OUTSIDE_LOCATIONS,
    (T, HOME, (CELL,), None, ("62f210",)): R.OUTSIDE_LOCATIONS,
    (T, "", (CELL,), None, (CELL,)): R.FORWARDED_LOCATION,
    (T, "", (CELL,), ABROAD, ("31",)): R.OUTSIDE_LOCATIONS,
    (T, "", (), ABROAD, ("31",)): R.FORWARDED_LOCATION,
    (T, "", (), None, ("31",)): R.LOCATION_UNKNOWN,
    (O, ABROAD, (CELL,), None, ("31", CELL)): R.LOCATION_UNKNOWN,
    (O, HOME, (), ABROAD, ("31",)): R.FORWARDED_LOCATION,
    (O, ABROAD, (CELL,), HOME, ("31", CELL)): R.OUTSIDE_LOCATIONS,
    (F, ABROAD, (CELL,), None, ("31", CELL)): R.LOCATION_UNKNOWN,
}

CONDITIONS = (
    [({"when": When.ALWAYS}, {"trigger": trigger}, R.FORWARDED_ALWAYS) for trigger in Trigger]
    + [
        ({"when": When.ROAMING, "roaming": flag, "vlr": stored}, {"trigger": trigger, "vlr": vlr}, reason)
        for (trigger, vlr, flag, stored), reason in ROAMING.items()
    ]
    + [
        (
            {"when": When.LOCATIONS, "locations": chosen, "vlr": stored},
            {"trigger": trigger, "vlr": vlr, "areas": areas},
            reason,
        )
        for (trigger, vlr, areas, stored, chosen), reason in LOCATIONS.items()
    ]
)


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize(("record", "facts", "reason"), CONDITIONS)
def test_every_combination_of_flags_and_condition(flags, record, facts, reason):
    authorized, registered, forwarding = flags
    found = subscriber(
        **record,
        authorized=authorized,
        aor="sip:b@voip.example" if registered else None,
        forwarding=forwarding,
    )
    reason = FLAGS[flags] or reason
    expected = steered(reason) if reason.value.startswith("forwarded-") else continued(reason)
    assert decide(found, call(**facts), RULES) == expected


def test_the_subscriber_of_the_acceptance_test():
    roaming = subscriber(when=When.ROAMING, roaming=True)
    assert decide(roaming, call(), RULES) == steered(R.FORWARDED_ROAMING)
    at_home = subscriber(when=When.ROAMING, roaming=False)
    refused = [
        decide(at_home, call(), RULES),
        decide(subscriber(forwarding=False), call(), RULES),
        decide(subscriber(aor=None), call(), RULES),
        decide(None, call(), RULES),
    ]
    assert refused == [
        continued(R.AT_HOME),
        continued(R.FORWARDING_DISABLED),
        continued(R.NOT_REGISTERED),
        continued(R.UNKNOWN_SUBSCRIBER),
    ]


@pytest.mark.parametrize(
    ("digits", "nature", "reason"),
    [
        ("", Nature.UNKNOWN, R.NO_CALLED_NUMBER),
        ("112", Nature.UNKNOWN, R.NEVER_STEER),
        ("990011234567", Nature.UNKNOWN, R.ALREADY_MARKED),
        ("99*1", Nature.UNKNOWN, R.ALREADY_MARKED),
        ("123456", Nature.UNKNOWN, R.LOCAL_NUMBER),
        ("*100#", Nature.UNKNOWN, R.UNPARSABLE_NUMBER),
    ],
)
def test_the_called_number_alone_can_decide_whatever_the_store_says(digits, nature, reason):
    facts = call(digits, nature)
    assert screen(facts, RULES) == continued(reason)
    release = msgspec.structs.replace(RULES, on_failure=OnFailure.RELEASE)
    for found in (None, subscriber(), StoreFailure.TIMEOUT):
        assert decide(found, facts, release) == continued(reason)


@pytest.mark.parametrize("failure", StoreFailure)
@pytest.mark.parametrize(
    ("policy", "action"), [(OnFailure.CONTINUE, Action.CONTINUE), (OnFailure.RELEASE, Action.RELEASE)]
)
def test_a_store_that_cannot_say_is_answered_by_policy(failure, policy, action):
    rules = msgspec.structs.replace(RULES, on_failure=policy)
    assert decide(failure, call(), rules) == Decision(action, R(failure.value))
    assert decide(None, call(), rules) == continued(R.UNKNOWN_SUBSCRIBER)


FOREIGN, DIALLED, SIGNIFICANT = "0011234567", "0701234567", "701234567"
POLICIES = [
    # digits policy, nature policy, called number, its nature → number, nature
    ("as-dialled", "keep", FOREIGN, "unknown", "990011234567", "unknown"),
    ("as-dialled", "keep", SIGNIFICANT, "national", "99701234567", "national"),
    ("as-dialled", "unknown", SIGNIFICANT, "national", "99701234567", "unknown"),
    ("as-dialled", "network-specific", DIALLED, "unknown", "990701234567", "network-specific"),
    ("as-dialled", "national", FOREIGN, "unknown", "990011234567", "national"),
    ("international", "keep", DIALLED, "unknown", "9946701234567", "unknown"),
    ("international", "international", DIALLED, "unknown", "9946701234567", "international"),
    ("international", "international", FOREIGN, "unknown", "9911234567", "international"),
    ("national", "keep", DIALLED, "unknown", "99701234567", "unknown"),
    ("national", "national", DIALLED, "unknown", "99701234567", "national"),
    ("national", "national", "46701234567", "international", "99701234567", "national"),
    ("national", "national", FOREIGN, "unknown", "9911234567", "international"),
    ("national", "unknown", FOREIGN, "unknown", "9911234567", "unknown"),
]


@pytest.mark.parametrize(("digits", "nature", "called", "called_nature", "number", "sent_nature"), POLICIES)
def test_the_marked_number_follows_the_policies(digits, nature, called, called_nature, number, sent_nature):
    rules = Rules(SWEDEN, prefix="99", digits=DigitsPolicy(digits), nature=NaturePolicy(nature))
    decision = decide(subscriber(), call(called, Nature(called_nature)), rules)
    assert (decision.number, decision.nature) == (number, Nature(sent_nature))


def test_a_suffix_goes_behind():
    rules = Rules(SWEDEN, suffix="#7")
    decision = decide(subscriber(), call(), rules)
    assert decision.number == "0011234567#7"
    assert screen(call(decision.number), rules) == continued(R.ALREADY_MARKED)


@pytest.mark.parametrize("policy", DigitsPolicy)
def test_a_forwarding_number_replaces_the_marked_one(policy):
    rules = Rules(SWEDEN, prefix="99", digits=policy, nature=NaturePolicy.UNKNOWN)
    decision = decide(subscriber(forwarding_number="46855512345"), call(), rules)
    assert decision == Decision(Action.CONNECT, R.FORWARDED_ALWAYS, "46855512345", Nature.INTERNATIONAL)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("11234567", R.FORWARDING_LOOP),
        ("", R.BAD_FORWARDING_NUMBER),
        ("+46855512345", R.BAD_FORWARDING_NUMBER),
        ("4685551234x", R.BAD_FORWARDING_NUMBER),
        ("4" * 40, R.BAD_FORWARDING_NUMBER),
    ],
)
def test_a_forwarding_number_that_cannot_work_continues(number, reason):
    assert decide(subscriber(forwarding_number=number), call(), RULES) == continued(reason)


def test_a_marked_number_too_long_for_its_field_continues():
    plan = Numbering("46", international_prefix="00000000")
    facts = call_facts(plan, T, "00000000123456789012345", Nature.UNKNOWN)
    longest = MAX_DIGITS - len(facts.digits)
    fits = decide(subscriber(), facts, Rules(plan, prefix="9" * longest))
    assert (fits.action, len(fits.number)) == (Action.CONNECT, MAX_DIGITS)
    assert decide(subscriber(), facts, Rules(plan, prefix="9" * (longest + 1))) == continued(
        R.NUMBER_TOO_LONG
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "either prefix or suffix"),
        ({"prefix": "99", "suffix": "1"}, "either prefix or suffix"),
        ({"prefix": "4"}, "country_code 46"),
        ({"prefix": "46"}, "country_code 46"),
        ({"prefix": "0"}, "national_prefix 0"),
        ({"prefix": "00"}, "international_prefix 00"),
    ],
)
def test_rules_under_which_no_call_could_be_steered_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Rules(SWEDEN, **settings)


# --- calls that come back ---

CALLED, MARKED = ("11234567", Nature.INTERNATIONAL), ("990011234567", Nature.UNKNOWN)
ELSE = ("46709999999", Nature.INTERNATIONAL)


@pytest.mark.parametrize(
    ("diversion", "reason"),
    [
        (None, None),
        (Diversion(), None),
        (Diversion(1, ELSE, ELSE), None),
        (Diversion(4, ELSE, ELSE), None),
        (Diversion(5, ELSE, ELSE), R.REDIRECTION_LIMIT),
        (Diversion(7), R.REDIRECTION_LIMIT),
        # the called subscriber diverted it, last or first
        (Diversion(1, CALLED), R.DIVERTED_BACK),
        (Diversion(0, CALLED), R.DIVERTED_BACK),
        (Diversion(2, ELSE, CALLED), R.DIVERTED_BACK),
        (Diversion(1, ("0011234567", Nature.UNKNOWN), ELSE), R.DIVERTED_BACK),
        (Diversion(5, CALLED), R.DIVERTED_BACK),  # says more than the limit does
        # the original called number alone: a caller's service may have left it there
        (Diversion(0, ("", Nature.UNKNOWN), CALLED), None),
        # ... but with the mark it has been to the gateway
        (Diversion(0, ("", Nature.UNKNOWN), MARKED), R.DIVERTED_BACK),
        (Diversion(1, MARKED, ELSE), R.DIVERTED_BACK),
        (Diversion(1, ("9911234567", Nature.INTERNATIONAL), ELSE), R.DIVERTED_BACK),
        # another country's number that begins as the mark does, and another subscriber's marked one
        (Diversion(1, ("998901234567", Nature.INTERNATIONAL), ELSE), None),
        (Diversion(1, ("990046709999999", Nature.UNKNOWN), ELSE), None),
        (Diversion(1, ("99", Nature.UNKNOWN), ("#*", Nature.RESERVED)), None),
    ],
)
def test_a_call_that_comes_back_is_not_steered_again(diversion, reason):
    facts = call(diversion=diversion)
    expected = steered(R.FORWARDED_ALWAYS) if reason is None else continued(reason)
    assert decide(subscriber(), facts, RULES) == expected
    assert (screen(facts, RULES) is None) == (reason is None)  # the store is not asked


@pytest.mark.parametrize("digits", DigitsPolicy)
@pytest.mark.parametrize("mark", [{"prefix": "99"}, {"suffix": "*9"}])
@pytest.mark.parametrize("dialled", [("0701234567", Nature.UNKNOWN), ("46701234567", Nature.INTERNATIONAL)])
@pytest.mark.parametrize("again", [("46701234567", Nature.INTERNATIONAL), ("701234567", Nature.NATIONAL)])
def test_whatever_form_was_marked_it_is_known_when_it_comes_back(digits, mark, dialled, again):
    rules = Rules(SWEDEN, **mark, digits=digits)
    first = decide(subscriber(), call(*dialled), rules)
    assert first.action is Action.CONNECT
    back = call(*again, diversion=Diversion(1, (first.number, first.nature)))
    assert decide(subscriber(), back, rules) == continued(R.DIVERTED_BACK)


def test_a_call_that_comes_back_from_a_forwarding_number_is_not_steered_again():
    found = subscriber(forwarding_number="46855512345")
    for there, reason in (("46855512345", R.DIVERTED_BACK), ("46855512346", R.FORWARDED_ALWAYS)):
        back = call(diversion=Diversion(1, (there, Nature.INTERNATIONAL)))
        assert decide(found, back, RULES).reason is reason
    back = call(diversion=Diversion(1, ("0855512345", Nature.UNKNOWN)))
    assert decide(found, back, RULES) == continued(R.DIVERTED_BACK)


def test_how_often_a_call_may_have_been_diverted_is_the_operators_choice():
    rules = msgspec.structs.replace(RULES, max_redirections=1)
    assert decide(subscriber(), call(diversion=Diversion(1, ELSE)), rules) == continued(R.REDIRECTION_LIMIT)
    assert decide(subscriber(), call(diversion=Diversion(0, ELSE)), rules) == steered(R.FORWARDED_ALWAYS)


def test_the_path_shows_how_a_call_was_diverted():
    *_, last = path(None, call(diversion=Diversion(3, MARKED, ELSE)), RULES)[1]
    assert last.condition == "redirections"
    assert last.value == "counter=3 redirecting=990011234567 original=46709999999"
    assert last.outcome == R.DIVERTED_BACK


# --- What holds for every call. ---

digits = (
    st.sampled_from(["0011234567", "11234567", "0701234567"])
    | st.text("0123456789", max_size=20)
    | st.text("0123456789A*#DEF", max_size=34)
)
numberings = st.sampled_from(
    [
        SWEDEN,
        Numbering("47", national_prefix=""),
        Numbering("1", international_prefix=("011", "00"), national_prefix="1"),
    ]
)
marks = st.text("0123456789A*#DE", max_size=16)


@st.composite
def all_rules(draw):
    mark = draw(marks.filter(bool))
    side = draw(st.sampled_from(["prefix", "suffix"]))
    try:
        return Rules(
            draw(numberings),
            **{side: mark},
            digits=draw(st.sampled_from(DigitsPolicy)),
            nature=draw(st.sampled_from(NaturePolicy)),
            on_failure=draw(st.sampled_from(OnFailure)),
        )
    except ValueError:
        assume(False)


parties = st.tuples(digits | st.sampled_from(["0011234567", "990011234567"]), st.sampled_from(Nature))
diversions = st.none() | st.builds(Diversion, st.integers(0, 7), parties, parties)


@st.composite
def all_calls(draw, rules):
    return call_facts(
        rules.numbering,
        draw(st.sampled_from(Trigger)),
        draw(digits),
        draw(st.sampled_from(Nature)),
        vlr=draw(st.sampled_from(["", HOME, ABROAD])),
        areas=draw(st.sampled_from([(), (CELL,), (AREA,)])),
        diversion=draw(diversions),
    )


locations = st.lists(st.sampled_from(["", "46", "31651", AREA, CELL, "62f2", "zz"])).map(tuple)
records = st.builds(
    Subscriber,
    st.just("11234567"),
    authorized=st.booleans() | st.just(True),
    aor=st.none() | st.just("sip:b@voip.example"),
    forwarding_number=st.none() | st.text(max_size=40) | st.just("46855512345"),
    forwarding=st.booleans() | st.just(True),
    when=st.sampled_from(When),
    locations=locations,
    roaming=st.none() | st.booleans(),
    vlr=st.none() | st.sampled_from([HOME, ABROAD]),
)
founds = records | st.none() | st.sampled_from(StoreFailure)


@given(st.data())
def test_the_path_is_the_decision_written_down(data):
    rules = data.draw(all_rules())
    facts, found = data.draw(all_calls(rules)), data.draw(founds)
    decision, steps = path(found, facts, rules)
    assert decision == decide(found, facts, rules)
    assert steps[-1].outcome == decision.reason
    assert all(step.outcome == "yes" for step in steps[:-1])
    assert len({step.condition for step in steps}) == len(steps)
    if decision.action is Action.CONNECT:
        assert decision.number in steps[-1].value


@given(st.data())
def test_a_steered_number_is_never_steered_again(data):
    rules = data.draw(all_rules())
    found = msgspec.structs.replace(data.draw(records), forwarding_number=None)
    decision = decide(found, data.draw(all_calls(rules)), rules)
    if decision.action is not Action.CONNECT:
        return
    for nature in Nature:
        again = call_facts(rules.numbering, T, decision.number, nature, vlr=ABROAD)
        assert decide(subscriber(), again, rules) == continued(R.ALREADY_MARKED)


@given(st.data())
def test_a_call_that_the_called_number_diverted_is_never_steered(data):
    rules = data.draw(all_rules())
    facts = data.draw(all_calls(rules))
    if not facts.e164:
        return
    back = Diversion(data.draw(st.integers(0, 7)), (facts.e164, Nature.INTERNATIONAL), data.draw(parties))
    again = msgspec.structs.replace(facts, diversion=back)
    assert decide(data.draw(founds), again, rules).action is Action.CONTINUE


@given(st.data())
def test_a_number_goes_out_only_with_connect_and_fits_its_field(data):
    rules = data.draw(all_rules())
    facts, found = data.draw(all_calls(rules)), data.draw(founds)
    decision = decide(found, facts, rules)
    assert (decision.number != "") == (decision.action is Action.CONNECT)
    assert len(decision.number) <= MAX_DIGITS
    if decision.action is Action.RELEASE:
        assert rules.on_failure is OnFailure.RELEASE
        assert isinstance(found, StoreFailure)


def test_the_path_shows_what_was_looked_at():
    found = subscriber(when=When.ROAMING, roaming=False)
    decision, steps = path(found, call(vlr=ABROAD), RULES)
    assert decision == steered(R.FORWARDED_ROAMING)
    assert [(step.condition, step.value, step.outcome) for step in steps] == [
        ("not-marked", "0011234567", "yes"),
        ("called-number", "0011234567 (unknown) = +11234567", "yes"),
        ("redirections", "", "yes"),
        ("subscriber", "11234567", "yes"),
        ("authorized", "true", "yes"),
        ("registered", "sip:b@voip.example", "yes"),
        ("forwarding", "on", "yes"),
        ("when", "roaming flag=false vlr=31651000000 home=4670", "yes"),
        ("forwarding-number", "", "yes"),
        ("connect", "990011234567 (unknown)", "forwarded-roaming"),
    ]
    found = subscriber(when=When.LOCATIONS, locations=("49", CELL))
    *_, last = path(found, call(vlr=ABROAD, areas=(AREA,)), RULES)[1]
    assert last.value == f"locations vlr=31651000000 areas={AREA} chosen=49,{CELL}"
    assert last.outcome == R.OUTSIDE_LOCATIONS
    for failure in (None, StoreFailure.TIMEOUT):
        *_, last = path(failure, call(), RULES)[1]
        assert (last.condition, last.value) == ("subscriber", "11234567")
        assert last.outcome == (failure or R.UNKNOWN_SUBSCRIBER)


def test_reasons_are_kebab_case_and_each_says_something_else():
    words = [explain(reason) for reason in Reason]
    assert len(set(words)) == len(words)
    for reason in Reason:
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", reason.value)
        assert reason.value == reason.name.lower().replace("_", "-")
        assert explain(reason).endswith(".")
        assert Reason(reason.value) is reason


def test_a_decision_survives_json():
    for reason, action in itertools.product(Reason, Action):
        decision = Decision(action, reason, "99", Nature.NATIONAL)
        assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision


def test_how_fast():
    found, facts, runs = subscriber(when=When.ROAMING, roaming=True), call(), 20_000
    for name, run in {
        "call_facts": lambda: call_facts(SWEDEN, T, "0011234567", Nature.UNKNOWN, vlr=ABROAD),
        "decide": lambda: decide(found, facts, RULES),
        "judge": lambda: judge(found, facts, RULES),
        "path": lambda: path(found, facts, RULES),
    }.items():
        best = min(timeit.repeat(run, number=runs, repeat=3)) / runs
        print(f"{name}: {best * 1e6:.2f} µs")
    assert isinstance(facts, CallFacts)
