"""The gsmSRF of a simulated switch: announcements, digits, switches without one (TS 29.078 §11.10, §11.23)."""

import pytest
from test_ssf_call import CONNECT, CONTINUE, Play, refused, release

from scp.simulator.call import Closing, State
from ss7.cap.codec import FAST
from ss7.cap.errors import ErrorCode
from ss7.cap.interaction import (
    CollectedDigits,
    CollectedInfo,
    ConnectToResourceArg,
    InbandInfo,
    InformationToSend,
    MessageID,
    MessageText,
    PlayAnnouncementArg,
    PromptAndCollectUserInformationArg,
    ResourceAddress,
    Tone,
)
from ss7.cap.operations import Opcode
from ss7.cap.types import CancelArg, UnavailableNetworkResource
from ss7.isup import GenericDigits
from ss7.rose import ReturnError

CONNECT_SRF = (Opcode.CONNECT_TO_RESOURCE, ConnectToResourceArg(ResourceAddress("none", True)))
FORWARD = (Opcode.DISCONNECT_FORWARD_CONNECTION, None)
COLLECT = int(Opcode.PROMPT_AND_COLLECT_USER_INFORMATION)
NO_SRF = ReturnError(
    1, 11, FAST.encode_error(ErrorCode.SYSTEM_FAILURE, UnavailableNetworkResource.UNAVAILABLE_RESOURCES, 4)
)


def message(number, **how):
    return InformationToSend("inbandInfo", InbandInfo(MessageID("elementaryMessageID", number), **how))


def announce(information, **how):
    return Opcode.PLAY_ANNOUNCEMENT, PlayAnnouncementArg(information, **how)


def prompt(information, least, most, **how):
    wanted = CollectedInfo("collectedDigits", CollectedDigits(most, least))
    argument = PromptAndCollectUserInformationArg(wanted, information_to_send=information, **how)
    return Opcode.PROMPT_AND_COLLECT_USER_INFORMATION, argument


@pytest.mark.parametrize(("version", "report"), [(2, True), (3, True), (4, "allAnnouncementsComplete")])
def test_an_announcement_is_reported_when_it_is_over_and_then_the_call_is_released(version, report):
    play = Play(version=version, announcement=4.0)
    assert play.say(CONNECT_SRF, announce(message(5), disconnect_from_ip_forbidden=False)) == (
        [],
        Closing.NOT,
    )
    assert play.ssf.state is State.INTERACTING
    play.run(until=4)
    assert play.sent == [(4, [("heard", report)], Closing.NOT)]
    assert play.ssf.state is State.WAITING
    assert play.say(release(31)) == ([], Closing.END)
    assert play.ssf.heard == ["message 5"]
    assert play.ssf.cause == 31
    assert play.ssf.faults == []


def test_a_connection_that_stays_has_to_be_taken_away_before_the_call_goes_on():
    play = Play()
    play.say(CONNECT_SRF, announce(message(5)))
    play.run(until=1)
    assert play.say(CONNECT)[0] == [refused(1, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)]
    assert play.say(release(31)) == ([], Closing.NOT)
    assert play.say(FORWARD, CONNECT) == ([], Closing.END)
    assert len(play.ssf.faults) == 2


def test_digits_come_as_the_result():
    play = Play(digits="12345")
    play.say(CONNECT_SRF, prompt(message(7), 1, 4, disconnect_from_ip_forbidden=False))
    play.run(until=1)
    [(at, [result], _)] = play.sent
    assert (at, result.invoke_id, result.opcode) == (1, 2, COLLECT)
    assert GenericDigits.decode(FAST.decode_result(COLLECT, result.parameter, 2).value).digits == "1234"
    assert play.say(CONNECT) == ([], Closing.END)


def test_too_few_digits_are_an_error():
    play = Play(digits="1")
    play.say(CONNECT_SRF, prompt(message(7), 2, 4))
    play.run(until=1)
    assert play.sent == [(1, [ReturnError(2, int(ErrorCode.IMPROPER_CALLER_RESPONSE))], Closing.NOT)]


def test_a_switch_without_a_gsmsrf_says_so_and_waits_on():
    play = Play(srf=False)
    assert play.say(CONNECT_SRF, announce(message(5))) == ([NO_SRF], Closing.NOT)
    assert play.ssf.state is State.WAITING
    assert play.say(CONTINUE, ended=True) == ([], Closing.NOT)


def test_announcements_queue_and_can_be_cancelled():
    play = Play()
    play.say(CONNECT_SRF, announce(message(5)), announce(message(6)), announce(message(7)))
    assert play.say((Opcode.CANCEL, CancelArg("invokeID", 3))) == ([ReturnError(3, 0)], Closing.NOT)
    play.run(until=2)
    assert play.ssf._resource.heard == ["message 5", "message 7"]
    assert [at for at, _, _ in play.sent[1:]] == [1, 2]
    play.say(announce(message(8)), (Opcode.CANCEL, CancelArg("invokeID", 1)), FORWARD, CONTINUE)
    assert play.ssf.heard == ["message 5", "message 7"]


def test_cap_v4_tells_the_beginning_too():
    play = Play(version=4)
    sent, _ = play.say(CONNECT_SRF, announce(message(5), request_announcement_started_notification=True))
    assert sent == [("heard", "firstAnnouncementStarted")]


@pytest.mark.parametrize(
    ("information", "seconds", "words"),
    [
        (message(5), 3, "message 5"),
        (message(5, number_of_repetitions=2, interval=1), 7, "message 5"),
        (message(5, duration=9), 9, "message 5"),
        (message(5, duration=4, number_of_repetitions=5), 4, "message 5"),
        (InformationToSend("tone", Tone(9, 2)), 2, "tone 9"),
        (InformationToSend("tone", Tone(9)), 3, "tone 9"),
        (
            InformationToSend("inbandInfo", InbandInfo(MessageID("text", MessageText("no credit")))),
            3,
            "text 'no credit'",
        ),
        (
            InformationToSend("inbandInfo", InbandInfo(MessageID("elementaryMessageIDs", (1, 2)))),
            3,
            "message 1 2",
        ),
    ],
)
def test_how_long_it_is_heard(information, seconds, words):
    play = Play(announcement=3.0)
    play.say(CONNECT_SRF, announce(information, disconnect_from_ip_forbidden=False))
    play.run(until=seconds)
    assert [at for at, _, _ in play.sent] == [seconds]
    assert play.ssf.heard == [words]


def test_nothing_is_heard_without_a_connection_or_after_the_dialogue():
    play = Play()
    assert play.say(announce(message(5)))[0] == [refused(1, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)]
    assert play.say(FORWARD)[0] == [refused(1, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)]
    play.say(CONNECT_SRF, announce(message(5)))
    play.ssf.aborted(play.now)
    said = len(play.sent)
    assert len(play.run()) == said
