"""Announcements as a service awaits them: what is sent, and what each answer of the switch means."""

import pytest
from announcing_service import Announcing
from driver import Driver

from scp.domain.announcement import Announcement
from scp.services.announcing import Heard
from scp.services.api import Release, ReportKind
from ss7.cap.interaction import ReceivedInformationArg, SpecializedResourceReportArg
from ss7.cap.operations import Opcode
from ss7.cap.types import InitialDPArg
from ss7.isup import EncodingScheme, GenericDigits

RESOURCE, PLAY, COLLECT, REPORT = (
    Opcode.CONNECT_TO_RESOURCE,
    Opcode.PLAY_ANNOUNCEMENT,
    Opcode.PROMPT_AND_COLLECT_USER_INFORMATION,
    Opcode.SPECIALIZED_RESOURCE_REPORT,
)
FORWARD, RELEASE, CONNECT, CONTINUE = (
    Opcode.DISCONNECT_FORWARD_CONNECTION,
    Opcode.RELEASE_CALL,
    Opcode.CONNECT,
    Opcode.CONTINUE,
)
MESSAGE = Announcement(5, repetitions=2, interval_s=1, duration_s=9)


def played(*, asks=False):
    service = Announcing(MESSAGE, asks=asks)
    return service, Driver(service, InitialDPArg(100))


@pytest.mark.parametrize("told", [True, SpecializedResourceReportArg("allAnnouncementsComplete", True)])
def test_what_is_heard_to_its_end(told):
    service, driver = played()
    assert driver.operations == [[RESOURCE, PLAY]]
    resource, play = (each.argument for each in driver.sent[0])
    assert resource.resource_address.name == "none"
    sent = play.information_to_send.value
    assert (sent.message_id.value, sent.number_of_repetitions, sent.duration, sent.interval) == (5, 2, 9, 1)
    assert play.disconnect_from_ip_forbidden
    driver.report(ReportKind.INVOKE, opcode=REPORT, argument=told)
    assert driver.operations[-1] == [FORWARD, RELEASE]
    assert service.heard == [Heard.ALL]
    assert driver.ended


def test_its_beginning_is_not_its_end():
    service, driver = played()
    begun = SpecializedResourceReportArg("firstAnnouncementStarted", True)
    driver.report(ReportKind.INVOKE, opcode=REPORT, argument=begun)
    assert not driver.ended
    driver.report(ReportKind.ERROR, opcode=Opcode.RESET_TIMER, code=12)
    assert not driver.ended
    assert service.heard == []


@pytest.mark.parametrize(
    ("kind", "opcode", "sent"),
    [
        (ReportKind.ERROR, RESOURCE, [RELEASE]),  # what followed was discarded: nothing is connected
        (ReportKind.REJECT, RESOURCE, [RELEASE]),
        (ReportKind.ERROR, PLAY, [FORWARD, RELEASE]),
        (ReportKind.REJECT, PLAY, [FORWARD, RELEASE]),
        (ReportKind.TIMEOUT, -1, [FORWARD, RELEASE]),
    ],
)
def test_a_switch_that_can_not_is_left_in_peace(kind, opcode, sent):
    service, driver = played()
    driver.report(kind, opcode=opcode)
    assert driver.operations[-1] == sent
    assert service.heard == [Heard.NOT]


@pytest.mark.parametrize("kind", [ReportKind.END, ReportKind.ABORT])
@pytest.mark.parametrize("asks", [False, True])
def test_a_caller_who_hangs_up_meanwhile_hears_no_more(kind, asks):
    service, driver = played(asks=asks)
    driver.report(kind)
    assert driver.ended
    assert driver.operations[-1] == []
    assert service.heard in ([Heard.OVER], [(Heard.OVER, "")])


def test_somebody_releases_the_call_meanwhile():
    service, driver = played()
    driver.report(ReportKind.TOLD, argument=Release(b"\x80\x9f"))
    assert driver.operations[-1] == [FORWARD, RELEASE]
    assert driver.sent[-1][1].argument == b"\x80\x9f"
    assert service.heard == [Heard.OVER]


@pytest.mark.parametrize("digits", ["12", "123", "1234567"])
def test_digits_are_where_the_call_goes(digits):
    service, driver = played(asks=True)
    assert driver.operations == [[RESOURCE, COLLECT]]
    wanted = driver.sent[0][1].argument.collected_info.value
    assert (wanted.minimum_nb_of_digits, wanted.maximum_nb_of_digits) == (2, 6)
    scheme = EncodingScheme.BCD_ODD if len(digits) & 1 else EncodingScheme.BCD_EVEN
    result = ReceivedInformationArg("digitsResponse", GenericDigits(0, scheme, digits).encode())
    driver.report(ReportKind.RESULT, opcode=COLLECT, argument=result)
    assert driver.operations[-1] == [FORWARD, CONNECT]
    assert service.heard == [(Heard.ALL, digits)]


@pytest.mark.parametrize(
    ("report", "sent"),
    [
        ({"kind": ReportKind.ERROR, "opcode": COLLECT, "code": 4}, [FORWARD, CONTINUE]),
        ({"kind": ReportKind.RESULT, "opcode": COLLECT, "argument": None}, [FORWARD, CONTINUE]),
        (
            {
                "kind": ReportKind.RESULT,
                "opcode": COLLECT,
                "argument": ReceivedInformationArg("digitsResponse", b"\x20"),
            },
            [FORWARD, CONTINUE],
        ),
    ],
)
def test_without_digits_it_goes_on(report, sent):
    service, driver = played(asks=True)
    driver.report(report.pop("kind"), **report)
    assert driver.operations[-1] == sent
    assert service.heard[0][1] == ""
