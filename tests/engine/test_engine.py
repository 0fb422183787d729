"""InitialDP in, answer out: through the node's whole stack, with both codecs."""

from __future__ import annotations

from math import inf

import pytest
from room import (
    ABROAD,
    AT_HOME,
    MSISDN,
    NETWORK,
    READY,
    ROAMER,
    SERVICE_KEY,
    STEERED,
    Room,
    forwarding,
    idp,
    new_otid,
)

from scp.domain.call import Trigger
from scp.domain.decision import Action, Reason
from scp.domain.rules import OnFailure
from scp.domain.subscriber import Subscriber, When
from scp.engine.signalling import AT_ONCE
from scp.services.api import Lookup, NextReport, StoreFailure
from scp.stack.tcap_settings import ABORTED_REASONS
from ss7 import rose, tcap
from ss7.ber import encode_element
from ss7.cap.codec import FAST
from ss7.cap.common import CriticalityType, ExtensionField, ExtensionID
from ss7.cap.contexts import BY_TEXT, BY_VERSION
from ss7.cap.errors import CapError, ErrorCode
from ss7.cap.operations import Opcode
from ss7.cap.types import ConnectArg, InitialDPArg
from ss7.cause import Cause
from ss7.isup import CalledPartyNumber
from ss7.rose import INVOKE_PROBLEM, MISTYPED_PARAMETER, UNRECOGNIZED_OPERATION, encode_invoke, encode_reject
from ss7.sccp import Address, GlobalTitle
from ss7.tcap_dialogue import ABRT_USER, REJECT_PERMANENT, SERVICE_USER, Aare, Aarq, Abrt, encode_dialogue

ORIGINATING, TERMINATING = Trigger.ORIGINATING, Trigger.TERMINATING
ROAMS_BY_VLR = Subscriber(MSISDN, authorized=True, aor="sip:b@x", forwarding=True, when=When.ROAMING)
REGISTERED = {"authorized": True, "aor": "sip:b@x", "forwarding": True}
REJECTS = {
    "mistyped": (INVOKE_PROBLEM, MISTYPED_PARAMETER),
    "unknown": (INVOKE_PROBLEM, UNRECOGNIZED_OPERATION),
}


@pytest.fixture(params=["fast", "reference"])
def enter(request, everything_sent):
    """Makes a room, for each of the two codecs; at the end nothing may be left in it."""
    rooms = []

    def enter(*records, **settings):
        rooms.append(Room(*records, codec=request.param, recorder=everything_sent, **settings))
        return rooms[-1]

    yield enter
    for room in rooms:
        room.nothing_left()


def outcome(room, otid):
    """What an answer says, apart from ids."""
    message = room.answer(otid).message
    assert message.kind == tcap.END
    return message.dialogue, message.components


def initial_dp(argument, invoke_id=1):
    return encode_invoke(invoke_id, Opcode.INITIAL_DP, argument)


# --- steered, or not ---


@pytest.mark.parametrize("version", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("record", "trigger", "vlr", "reason"),
    [
        (READY, ORIGINATING, "", Reason.FORWARDED_ALWAYS),
        (READY, TERMINATING, AT_HOME, Reason.FORWARDED_ALWAYS),
        (ROAMER, ORIGINATING, AT_HOME, Reason.FORWARDED_ROAMING),
        (ROAMS_BY_VLR, TERMINATING, ABROAD, Reason.FORWARDED_ROAMING),
    ],
)
def test_a_roaming_subscribers_call_is_steered_in_its_own_context(
    enter, version, record, trigger, vlr, reason
):
    room = enter(record)
    otid = room.call(version, trigger=trigger, vlr=vlr)
    dialogue, [connect] = outcome(room, otid)
    assert dialogue == Aare(BY_VERSION[version].octets)
    assert connect.opcode == Opcode.CONNECT
    [number] = FAST.decode_argument(connect.opcode, connect.parameter, version).destination_routing_address
    assert CalledPartyNumber.decode(number) == CalledPartyNumber(STEERED, 2, 1)
    assert (room.decision.action, room.decision.reason) == (Action.CONNECT, reason)
    assert room.counts.outcomes == ["ended"]
    assert room.shown == [room.decision]
    assert room.counts.operations == [(Opcode.INITIAL_DP, "in"), (Opcode.CONNECT, "out")]


NOT_STEERED = [
    (None, {}, Reason.UNKNOWN_SUBSCRIBER),
    (Subscriber(MSISDN), {}, Reason.NOT_AUTHORIZED),
    (Subscriber(MSISDN, authorized=True), {}, Reason.NOT_REGISTERED),
    (Subscriber(MSISDN, authorized=True, aor="sip:b@x"), {}, Reason.FORWARDING_DISABLED),
    (ROAMS_BY_VLR, {"vlr": AT_HOME}, Reason.AT_HOME),
    (ROAMS_BY_VLR, {"vlr": "", "trigger": ORIGINATING}, Reason.ROAMING_UNKNOWN),
    (
        Subscriber(MSISDN, **REGISTERED, when=When.LOCATIONS, locations=("4790",)),
        {"vlr": ABROAD},
        Reason.OUTSIDE_LOCATIONS,
    ),
    (
        Subscriber(MSISDN, **REGISTERED, when=When.LOCATIONS, locations=("4790",)),
        {"vlr": "", "cell": ""},
        Reason.LOCATION_UNKNOWN,
    ),
    (Subscriber(MSISDN, **REGISTERED, forwarding_number=MSISDN), {}, Reason.FORWARDING_LOOP),
    (READY, {"b_number": "112"}, Reason.NEVER_STEER),
    (READY, {"b_number": "990011234567"}, Reason.ALREADY_MARKED),
    (READY, {"b_number": "118"}, Reason.SHORT_NUMBER),
    (READY, {"b_plan": 3}, Reason.OTHER_NUMBERING_PLAN),
    (READY, {"b_number": "00*1234567"}, Reason.UNPARSABLE_NUMBER),
]


@pytest.mark.parametrize(
    ("record", "scenario", "reason"), NOT_STEERED, ids=[str(row[2]) for row in NOT_STEERED]
)
def test_any_other_call_goes_on_and_says_why(enter, record, scenario, reason):
    room = enter(*([record] if record else []))
    otid = room.call(2, **{"trigger": TERMINATING, **scenario})
    dialogue, [component] = outcome(room, otid)
    assert dialogue == Aare(BY_VERSION[2].octets)
    assert (component.opcode, component.parameter) == (Opcode.CONTINUE, b"")
    assert (room.decision.action, room.decision.reason) == (Action.CONTINUE, reason)


def test_the_number_is_a_matter_of_the_trigger(enter):
    room = enter()
    both = FAST.encode_argument(Opcode.INITIAL_DP, InitialDPArg(SERVICE_KEY), 2)
    assert outcome(room, room.begin(initial_dp(both)))[1][0].opcode == Opcode.CONTINUE
    assert room.decision.reason is Reason.NO_CALLED_NUMBER


def test_a_begin_without_dialogue_portion_is_cap_v1_and_answered_without(enter):
    room = enter(READY)
    dialogue, [component] = outcome(room, room.call(1, portion=False))
    assert dialogue is None
    assert component.opcode == Opcode.CONNECT


def test_a_diverted_call_keeps_who_diverted_it(enter):
    room = enter(READY)
    argument = idp(2, trigger=Trigger.FORWARDED)
    [connect] = outcome(room, room.begin(initial_dp(argument)))[1]
    asked, said = (
        FAST.decode_argument(opcode, octets, 2)
        for opcode, octets in ((Opcode.INITIAL_DP, argument), (Opcode.CONNECT, connect.parameter))
    )
    assert isinstance(said, ConnectArg)
    for name in ("original_called_party_id", "redirecting_party_id", "redirection_information"):
        assert getattr(said, name) == getattr(asked, name) is not None


def test_an_answer_goes_back_the_way_its_question_came(enter):
    room = enter(READY)
    calling = Address(ssn=146, global_title=GlobalTitle("49170000001")).encode()
    called = Address(ssn=146, global_title=GlobalTitle("46799999999")).encode()
    answers = [
        room.answer(room.begin(initial_dp(idp()), calling=calling, called=called, sls=sls))
        for sls in (0, 7, 15)
    ]
    assert [answer.sls for answer in answers] == [0, 7, 15]
    for answer in answers:
        assert (answer.unit.called_raw, answer.unit.calling_raw) == (calling, called)
        assert (answer.opc, answer.dpc) == (NETWORK.scp_point_code, NETWORK.point_code)
        assert answer.unit.protocol_class == 1
        assert not answer.unit.return_on_error
    elsewhere = Address(ssn=146, point_code=77, route_on_ssn=True).encode()
    assert room.answer(room.begin(initial_dp(idp()), calling=elsewhere)).dpc == 77


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_transaction_ids_of_every_length_are_answered(enter, length):
    room = enter(READY)
    otid = new_otid()[-length:]
    room.begin(initial_dp(idp()), otid=otid)
    assert room.answer(otid).opcodes == [Opcode.CONNECT]


# --- what is no call ---


def test_an_unknown_service_key_is_a_missing_customer_record(enter):
    room = enter(READY)
    dialogue, [error] = outcome(room, room.call(3, service_key=101, invoke_id=9))
    assert dialogue == Aare(BY_VERSION[3].octets)
    assert isinstance(error, rose.ReturnError)
    assert (error.invoke_id, error.error) == (9, ErrorCode.MISSING_CUSTOMER_RECORD)
    assert room.counts.calls[-1][0] == "none"
    assert room.decision.reason is Reason.UNKNOWN_SERVICE_KEY
    assert room.counts.outcomes == ["error"]
    room.serves()


ARGUMENT = idp()
LONG_KEY = encode_element(0x30, encode_element(0x80, b"\x01" * 9))
BAD_ARGUMENTS = {
    "none at all": b"",
    "not a sequence": b"\x04\x01\x00",
    "no service key": encode_element(0x30, b""),
    "service key of 9 octets": LONG_KEY,
    "negative service key": encode_element(0x30, b"\x80\x01\xff"),
    "service key twice": encode_element(0x30, b"\x80\x01\x64\x80\x01\x64"),
    "called number too long": encode_element(0x30, b"\x80\x01\x64" + encode_element(0x82, b"\x03" * 19)),
}


@pytest.mark.parametrize("argument", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_a_call_goes_on_when_its_argument_can_not_be_read(enter, argument):
    room = enter(READY)
    otid = room.begin(initial_dp(argument, 3))
    assert room.answer(otid).message.kind == tcap.END
    assert room.answer(otid).opcodes == [Opcode.CONTINUE]
    assert (room.decision.action, room.decision.reason) == (Action.CONTINUE, Reason.UNREADABLE_PARAMETER)
    assert room.counts.discards == [("cap", "unreadable-parameter")]
    assert room.counts.outcomes == ["ended"]
    room.serves()


@pytest.mark.parametrize("argument", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_where_the_node_is_strict_an_undecodable_argument_is_mistyped(enter, argument):
    room = enter(READY, strict=True)
    otid = room.begin(initial_dp(argument, 3))
    assert room.answer(otid).problem == REJECTS["mistyped"]
    assert room.answer(otid).component.invoke_id == 3
    assert room.decision.reason is Reason.UNDECODABLE_ARGUMENT
    assert room.counts.discards == [("cap", "undecodable-argument")]
    assert room.counts.outcomes == ["reject"]
    room.serves()


@pytest.mark.parametrize("opcode", [Opcode.EVENT_REPORT_BCSM, Opcode.CONNECT, 60, 99, -5, b"\x2a\x03"])
def test_another_first_operation_is_not_recognized(enter, opcode):
    room = enter(READY)
    otid = room.begin(encode_invoke(1, opcode, ARGUMENT))
    assert room.answer(otid).problem == REJECTS["unknown"]
    assert room.decision.reason is Reason.UNEXPECTED_OPERATION
    room.serves()


def test_a_begin_with_nothing_in_it_is_aborted(enter):
    room = enter(READY)
    otid = room.begin()
    assert room.answer(otid).message.kind == tcap.ABORT
    assert room.answer(otid).message.dialogue == Abrt(ABRT_USER)
    assert room.counts.outcomes == ["aborted-by-us"]
    # a Reject is answered with none
    otid = room.begin(encode_reject(1, INVOKE_PROBLEM, MISTYPED_PARAMETER))
    assert room.answer(otid).message.kind == tcap.ABORT
    room.serves()


@pytest.mark.parametrize(
    ("component", "problem"),
    [
        (encode_element(0xA9, b"\x02\x01\x01"), (rose.GENERAL_PROBLEM, rose.UNRECOGNIZED_COMPONENT)),
        (encode_element(0xA1, b"\x02\x01\x01"), (rose.GENERAL_PROBLEM, rose.MISTYPED_COMPONENT)),
        (encode_element(0xA1, b"\x02\x01\x01\x02"), (rose.GENERAL_PROBLEM, rose.BADLY_STRUCTURED_COMPONENT)),
        (
            encode_invoke(1, Opcode.INITIAL_DP, ARGUMENT, linked_id=5),
            (INVOKE_PROBLEM, rose.UNRECOGNIZED_LINKED_ID),
        ),
        (rose.encode_return_result(1), (rose.RETURN_RESULT_PROBLEM, rose.UNRECOGNIZED_INVOKE_ID)),
        (rose.encode_return_error(1, 6), (rose.RETURN_ERROR_PROBLEM, rose.UNRECOGNIZED_INVOKE_ID)),
    ],
)
def test_a_bad_component_gets_its_problem(enter, component, problem):
    room = enter(READY)
    assert room.answer(room.begin(component)).problem == problem
    assert room.decision.reason is Reason.UNEXPECTED_OPERATION
    room.serves()


REJECTED_BY_TCAP = [
    (initial_dp(ARGUMENT, 1), (INVOKE_PROBLEM, rose.DUPLICATE_INVOKE_ID)),
    (encode_invoke(2, 99, linked_id=9), (INVOKE_PROBLEM, rose.UNRECOGNIZED_LINKED_ID)),
    (rose.encode_return_result(7), (rose.RETURN_RESULT_PROBLEM, rose.UNRECOGNIZED_INVOKE_ID)),
    (encode_element(0xA1, b"\x04\x00"), (rose.GENERAL_PROBLEM, rose.MISTYPED_COMPONENT)),
    (encode_element(0xA9, b"\x04\x00"), (rose.GENERAL_PROBLEM, rose.UNRECOGNIZED_COMPONENT)),
]
REJECTED_BY_US = [
    (encode_invoke(2, Opcode.CONTINUE), REJECTS["unknown"]),
    (encode_invoke(2, 99, b"\x30\x00"), REJECTS["unknown"]),
    (encode_invoke(2, Opcode.EVENT_REPORT_BCSM, b"\x04\x00"), REJECTS["mistyped"]),
]


@pytest.mark.parametrize(
    ("components", "problem"),
    [((initial_dp(ARGUMENT), bad), problem) for bad, problem in (*REJECTED_BY_TCAP, *REJECTED_BY_US)]
    + [((bad, initial_dp(ARGUMENT)), problem) for bad, problem in REJECTED_BY_TCAP],
)
def test_a_bad_component_beside_the_initial_dp_is_rejected_and_the_call_goes_on(enter, components, problem):
    """Continue ahead of the reject: without it the subscriber's default call handling might release the call."""
    room = enter(READY)
    going_on, *rejects = outcome(room, room.begin(*components))[1]
    assert (going_on.opcode, going_on.parameter) == (Opcode.CONTINUE, b"")
    assert [(each.problem_type, each.problem) for each in rejects] == [problem]
    assert (room.decision.action, room.decision.reason) == (Action.CONTINUE, Reason.REJECTED_COMPONENT)
    assert len(room.counts.discards) == 1
    assert room.counts.outcomes == ["ended"]
    room.serves()


def test_a_second_initial_dp_comes_out_of_sequence_and_the_call_goes_on(enter):
    room = enter(READY)
    going_on, error = outcome(room, room.begin(initial_dp(ARGUMENT, 1), initial_dp(ARGUMENT, 2)))[1]
    assert going_on.opcode == Opcode.CONTINUE
    assert (error.invoke_id, error.error) == (2, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)
    assert room.decision.reason is Reason.REJECTED_COMPONENT
    room.serves()


def test_however_many_components_are_bad_the_answer_can_be_sent(enter):
    room = enter(READY)
    bad = [encode_invoke(number - 128, 99) for number in range(100)]
    going_on, *rejects = outcome(room, room.begin(initial_dp(ARGUMENT), *bad))[1]
    assert (going_on.opcode, len(rejects)) == (Opcode.CONTINUE, 64)
    room.serves()


@pytest.mark.parametrize("version", [1, 2])
def test_a_critical_extension_forbids_the_operation_and_another_does_not(enter, version):
    room = enter(READY)
    for criticality in (CriticalityType.ABORT, CriticalityType.IGNORE):
        field = ExtensionField(ExtensionID("local", 7), encode_element(0xA1, b"\x05\x00"), criticality)
        plain = FAST.decode_argument(Opcode.INITIAL_DP, idp(version), version)
        argument = FAST.encode_argument(
            Opcode.INITIAL_DP,
            InitialDPArg(SERVICE_KEY, called_party_number=plain.called_party_number, extensions=(field,)),
            version,
        )
        [component] = outcome(room, room.begin(initial_dp(argument), version=version))[1]
        if criticality is CriticalityType.ABORT:
            assert component.error == ErrorCode.UNEXPECTED_PARAMETER
            assert room.decision.reason is Reason.CRITICAL_EXTENSION
        else:
            assert component.opcode == Opcode.CONNECT


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ("0.4.0.0.1.0.50.9", "contextNotSupported"),
        ("0.4.0.0.1.0.1.3", "contextNotSupported"),
        ("0.4.0.0.1.21.3.61", "smsContextNotSupported"),
        ("0.4.0.0.1.23.3.61", "smsContextNotSupported"),
        ("0.4.0.0.1.21.3.50", "gprsContextNotSupported"),
        ("0.4.0.0.1.0.51.1", "resourceContextNotSupported"),
        ("0.4.0.0.1.22.3.14", "resourceContextNotSupported"),
    ],
)
def test_an_unknown_or_other_context_is_refused_and_named(enter, context, reason):
    room = enter(READY)
    octets = BY_TEXT[context].octets if context in BY_TEXT else tcap.oid_octets(context)
    otid = new_otid()
    room.send(tcap.build_begin(otid, encode_dialogue(Aarq(octets)), [initial_dp(ARGUMENT)]))
    message = room.answer(otid).message
    assert message.kind == tcap.ABORT
    assert message.dialogue == Aare(
        octets, REJECT_PERMANENT, SERVICE_USER, 2
    )  # application-context-name-not-supported
    assert room.counts.discards == [("tcap", reason)]
    assert reason in ABORTED_REASONS
    assert not room.counts.calls
    room.serves()


# --- transactions ---


def test_a_continue_for_an_unknown_transaction_is_aborted_and_its_end_and_abort_are_silent(enter):
    room = enter(READY)
    otid, stranger = new_otid(), b"\x99\x00\x00\x01"
    room.send(tcap.build_continue(otid, stranger, b"", []))
    assert room.answer(otid).message.p_abort_cause == tcap.UNRECOGNIZED_TRANSACTION_ID
    room.send(tcap.build_end(stranger, b"", []))
    room.send(tcap.build_abort(stranger, b""))
    room.send(tcap.build_p_abort(stranger, 4))
    assert len(room.switch.answers) == 1
    assert room.counts.discards[1:] == [("tcap", "unknown-transaction")] * 3
    room.serves()


def test_answers_that_a_store_gives_at_once_leave_in_one_write(enter):
    room = enter(READY)
    room.store.slow = True
    soon = []
    room.node._soon = soon.append
    calls = [room.call() for _ in range(3)]
    room.store_answers()
    assert [room.answers(otid) for otid in calls] == [[], [], []]
    (flush,) = soon
    flush()
    room.turn()
    for otid in calls:
        assert room.answer(otid).opcodes == [Opcode.CONNECT]


def test_answers_of_a_store_do_not_wait_for_all_of_a_long_read(enter):
    room = enter(READY)
    room.store.slow = True
    soon = []
    room.node._soon = soon.append
    calls = [room.call() for _ in range(AT_ONCE + 3)]
    room.store_answers()
    assert [len(room.answers(otid)) for otid in calls] == [1] * (AT_ONCE + 1) + [0, 0]
    (flush,) = soon
    flush()
    room.turn()
    assert [len(room.answers(otid)) for otid in calls] == [1] * (AT_ONCE + 3)


def test_above_the_ceiling_dialogues_are_refused_and_below_it_served_again(enter):
    room = enter(READY, max_dialogues=2)
    room.store.slow = True
    held = [room.call(), room.call()]
    refused = room.call()
    assert room.answer(refused).message.p_abort_cause == tcap.RESOURCE_LIMITATION
    assert room.counts.discards == [("tcap", "resourceLimitation")]
    room.store_answers()
    assert [room.answer(otid).opcodes for otid in held] == [[Opcode.CONNECT]] * 2
    room.store.slow = False
    room.serves()


# --- the caller hangs up ---


def test_an_abort_before_the_answer_cancels_lookup_and_answer(enter):
    room = enter(READY)
    room.store.slow = True
    otid = room.call()
    room.abort(otid, room.waiting_tid)
    assert not len(room.node.tcap)
    room.store_answers()
    room.advance(1.0)
    assert room.answers(otid) == []
    assert room.counts.outcomes == ["aborted-by-peer"]
    assert (room.decision.action, room.decision.reason) == (Action.ERROR, Reason.ABANDONED)
    assert room.shown == []
    room.store.slow = False
    room.serves()


# --- the store ---

RELEASED = [OnFailure.CONTINUE, OnFailure.RELEASE]


def fails(room):
    room.store.failure = StoreFailure.UNAVAILABLE


def raises(room):
    room.store.bug = RuntimeError("the store has a bug")


def is_slow(room):
    room.store.slow = True


@pytest.mark.parametrize("policy", RELEASED)
@pytest.mark.parametrize(
    ("trouble", "reason"),
    [(fails, Reason.STORE_UNAVAILABLE), (raises, Reason.STORE_UNAVAILABLE), (is_slow, Reason.STORE_TIMEOUT)],
)
def test_without_the_store_the_policy_answers_within_the_deadline(enter, policy, trouble, reason):
    room = enter(READY, services={SERVICE_KEY: forwarding(policy)})
    trouble(room)
    otid = room.call()
    room.advance(0.149)
    assert len(room.answers(otid)) == (trouble is not is_slow)
    room.advance(0.005)
    [component] = outcome(room, otid)[1]
    if policy is OnFailure.RELEASE:
        assert component.opcode == Opcode.RELEASE_CALL
        assert Cause.decode(FAST.decode_argument(component.opcode, component.parameter, 2)).value == 41
    else:
        assert component.opcode == Opcode.CONTINUE
    assert room.decision.reason is reason
    assert room.decision.action == (Action.RELEASE if policy is OnFailure.RELEASE else Action.CONTINUE)
    assert room.counts.seconds < 0.155
    assert [name for name, _ in room.bugs] == (["store"] if trouble is raises else [])
    room.store_answers()  # too late, for nobody
    room.advance(1.0)
    assert len(room.answers(otid)) == 1
    room.store.slow, room.store.failure, room.store.bug = False, None, None
    room.serves()


def test_each_call_has_its_own_deadline(enter):
    room = enter(READY)
    room.store.slow = True
    calls = []
    for _ in range(5):
        calls.append(room.call())
        room.advance(0.05)
    assert [len(room.answers(otid)) for otid in calls] == [1, 1, 0, 0, 0]
    room.store_answers()
    assert [room.answer(otid).opcodes[0] for otid in calls] == [Opcode.CONTINUE] * 2 + [Opcode.CONNECT] * 3


# --- services that are wrong ---


class Service:
    """Runs any coroutine function."""

    name = "of-the-test"

    def __init__(self, run):
        self.run = run


def serving(enter, run, **settings):
    return enter(READY, services={SERVICE_KEY: Service(run)}, **settings)


async def raises_at_once(call):
    raise ZeroDivisionError


async def raises_after_the_store(call):
    call.invoke(Opcode.RELEASE_CALL, b"\x80\x90")
    await Lookup(MSISDN)
    raise KeyError("x")


def is_no_coroutine(call):
    raise TypeError("not even a coroutine")


async def sends_an_illegal_value(call):
    call.invoke(Opcode.CONNECT, ConnectArg((b"",)))


async def sends_anything(call):
    call.invoke(Opcode.CONNECT, object())


async def sends_an_unknown_operation(call):
    call.invoke(99)


async def sends_too_much(call):
    for _ in range(60):
        call.invoke(Opcode.FURNISH_CHARGING_INFORMATION, bytes(50))


async def holds_on_with_an_illegal_value(call):
    call.invoke(Opcode.CONNECT, ConnectArg((b"",)))
    await NextReport(5.0)


async def holds_on_with_an_unknown_operation(call):
    call.invoke(99)
    await NextReport(5.0)


async def fails_with_anything(call):
    call.fail(CapError(ErrorCode.MISSING_CUSTOMER_RECORD, object()))


class Foreign:
    def __await__(self):
        yield "something else"


async def awaits_something_else(call):
    await Foreign()


async def will_not_be_closed(call):
    try:
        await Foreign()
    finally:
        await Foreign()


@pytest.mark.parametrize(
    "run",
    [
        raises_at_once,
        raises_after_the_store,
        is_no_coroutine,
        sends_an_illegal_value,
        sends_anything,
        sends_an_unknown_operation,
        sends_too_much,
        holds_on_with_an_illegal_value,
        holds_on_with_an_unknown_operation,
        fails_with_anything,
        awaits_something_else,
        will_not_be_closed,
    ],
)
def test_the_call_goes_on_whatever_its_service_does_wrong(enter, run):
    room = serving(enter, run)
    [component] = outcome(room, room.call())[1]
    assert component.opcode == Opcode.CONTINUE
    assert (room.decision.action, room.decision.reason) == (Action.CONTINUE, Reason.SERVICE_ERROR)
    assert room.bugs[0][0] == "of-the-test"
    assert len(room.counts.calls) == len(room.counts.outcomes) == 1


def test_a_service_answers_with_a_cap_error(enter):
    async def refuses(call):
        call.fail(CapError(ErrorCode.TASK_REFUSED))

    room = serving(enter, refuses)
    [error] = outcome(room, room.call(invoke_id=4))[1]
    assert (error.invoke_id, error.error) == (4, ErrorCode.TASK_REFUSED)
    assert room.counts.outcomes == ["error"]


def test_a_service_that_asks_the_store_again_and_again_answers_in_time(enter):
    async def stubborn(call):
        while await Lookup(MSISDN) is not StoreFailure.TIMEOUT:
            pass
        while not isinstance(await Lookup(MSISDN), StoreFailure):
            pass
        call.invoke(Opcode.CONTINUE)

    room = serving(enter, stubborn)
    room.store.slow = True
    otid = room.call()
    for _ in range(60):
        room.advance(0.01)
        room.store_answers()
    assert room.answer(otid).opcodes == [Opcode.CONTINUE]
    assert room.counts.seconds < 0.6


# --- draining ---


def test_a_draining_node_lets_calls_go_on_and_ends_what_it_has(enter):
    room = enter(READY)
    room.store.slow = True
    before = room.call()
    room.cap.draining = True
    assert room.answer(room.call()).opcodes == [Opcode.CONTINUE]
    assert (room.decision.action, room.decision.reason) == (Action.CONTINUE, Reason.DRAINING)
    assert not room.answers(before)
    room.store_answers()
    assert room.answer(before).opcodes == [Opcode.CONNECT]
    room.cap.draining = False
    room.store.slow = False
    room.serves()


def test_a_fault_of_the_program_costs_one_message_and_no_association(monkeypatch):
    room = Room(READY)

    class Fails:
        def indication(self, indication, now):
            raise LookupError("of the test")

        def next_deadline(self):
            return inf

    with monkeypatch.context() as patched:
        patched.setattr(room.node, "user", Fails())
        room.call()
    assert room.links[0].active
    assert room.counts.discards == [("cap", "internal-error")]
    [line] = [line for line in room.log if "fault" in line]
    assert "LookupError('of the test') at " in line
    otid = room.call()
    room.store_answers()
    assert room.answer(otid).opcodes == [Opcode.CONNECT]
