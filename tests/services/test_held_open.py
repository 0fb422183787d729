"""Services that hold their dialogue open, driven by hand."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from driver import Driver
from held_open import ARMED, NORMAL_CLEARING, Charged, HeldOpen

from scp.domain.decision import Reason
from scp.domain.numbers import Numbering
from scp.services.api import ENTRY_POINT_GROUP, NextReport, NodeSettings, ReportKind
from scp.services.registry import build_services
from ss7.cap.operations import Opcode
from ss7.cap.types import EventTypeBCSM, InitialDPArg, MessageType

ARM, CONTINUE, TEST = Opcode.REQUEST_REPORT_BCSM_EVENT, Opcode.CONTINUE, Opcode.ACTIVITY_TEST
CHARGE, RELEASE = Opcode.APPLY_CHARGING, Opcode.RELEASE_CALL
BUSY, ANSWER, DISCONNECT = (
    EventTypeBCSM.O_CALLED_PARTY_BUSY,
    EventTypeBCSM.O_ANSWER,
    EventTypeBCSM.O_DISCONNECT,
)
ASKS, TELLS = MessageType.REQUEST, MessageType.NOTIFICATION


@pytest.fixture
def watched():
    return Driver(HeldOpen(30.0), InitialDPArg(101))


def test_it_arms_and_continues_in_one_message_and_waits(watched):
    assert watched.operations == [[ARM, CONTINUE]]
    assert watched.sent[0][0].argument.bcsm_events == ARMED
    assert isinstance(watched.waits, NextReport)
    assert watched.waits.timeout == 30.0
    assert watched.call.decision.reason is Reason.SERVICE_LOGIC


def test_an_answered_call_ends_with_its_disconnect(watched):
    watched.event(ANSWER, TELLS)
    assert not watched.ended
    watched.event(DISCONNECT, ASKS)
    assert watched.ended
    assert watched.operations == [[ARM, CONTINUE], [], [CONTINUE]]


def test_an_interrupted_busy_is_continued_and_a_notified_end_gets_nothing(watched):
    assert watched.event(BUSY, ASKS).operations[-1] == [CONTINUE]
    assert watched.ended
    abandoned = Driver(HeldOpen(30.0), InitialDPArg(101)).event(EventTypeBCSM.O_ABANDON, TELLS)
    assert abandoned.ended
    assert abandoned.operations[-1] == []


@pytest.mark.parametrize("kind", [ReportKind.END, ReportKind.ABORT, ReportKind.ERROR, ReportKind.REJECT])
def test_it_returns_when_the_dialogue_is_gone_or_its_arming_refused(watched, kind):
    assert watched.report(kind).ended


def test_silence_is_tested_and_an_answered_test_goes_on(watched):
    watched.report(ReportKind.TIMEOUT)
    assert watched.operations[-1] == [TEST]
    watched.report(ReportKind.RESULT, opcode=TEST)
    assert not watched.ended
    watched.report(ReportKind.TIMEOUT).report(ReportKind.TIMEOUT)
    assert watched.ended


ACTIVE = bytes.fromhex("a00ea003810101a104800202588201ff")  # 60 s used, leg active
OVER = bytes.fromhex("a00da003810101a10380011a820100")  # from a published trace: 2.6 s used, leg not active


@pytest.fixture
def charged():
    return Charged(3, 60)


def reported(driver, octets):
    return driver.report(ReportKind.INVOKE, opcode=Opcode.APPLY_CHARGING_REPORT, argument=octets)


def test_charging_is_renewed_until_the_budget_is_used_up(charged):
    driver = Driver(charged, InitialDPArg(102))
    for _ in range(2):
        assert not reported(driver, ACTIVE).ended
    assert reported(driver, ACTIVE).ended
    assert driver.operations == [[CHARGE, CONTINUE], [CHARGE], [CHARGE], [RELEASE]]
    assert driver.sent[-1][0].argument == NORMAL_CLEARING
    assert charged.used == [600, 600, 600]
    assert driver.sent[0][0].argument.ach_billing_charging_characteristics.hex() == "a00480020258"


def test_the_final_report_ends_it(charged):
    driver = reported(Driver(charged, InitialDPArg(102)), OVER)
    assert driver.ended
    assert driver.operations == [[CHARGE, CONTINUE], []]
    assert charged.used == [26]


@pytest.mark.parametrize("kind", [ReportKind.END, ReportKind.ABORT, ReportKind.TIMEOUT, ReportKind.ERROR])
def test_charging_stops_when_the_call_does(charged, kind):
    driver = Driver(charged, InitialDPArg(102)).report(kind)
    assert driver.ended
    assert charged.used == []


def test_both_are_built_from_their_tables():
    built = build_services(
        {"held-open": {"service_keys": [101], "patience": 5.0}, "charged": {"service_keys": [102]}},
        NodeSettings(Numbering("46")),
        [
            EntryPoint("held-open", "held_open:held_open", ENTRY_POINT_GROUP),
            EntryPoint("charged", "held_open:charged", ENTRY_POINT_GROUP),
        ],
    )
    assert (built[101].patience, built[102].periods) == (5.0, 2)
