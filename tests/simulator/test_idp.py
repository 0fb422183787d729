"""The InitialDP that a scenario makes, against the published ones and the types' own decoders."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scp.simulator.expect import NO_ANSWER, Action, Answer, Expectation, faults_of
from scp.simulator.idp import cell_global_id, initial_dp, time_and_timezone
from scp.simulator.scenario import Scenario, Trigger
from ss7.address import AddressString, CalledPartyBCDNumber, CellGlobalId, Imsi
from ss7.cap.codec import FAST
from ss7.cap.contexts import CAP_V2
from ss7.errors import EncodeError
from ss7.isup import CalledPartyNumber, CallingPartyNumber, OriginalCalledNumber, RedirectionInformation

digits = st.text("0123456789", min_size=1, max_size=15)
ZONE = dt.timezone(dt.timedelta(hours=1))
WHEN = dt.datetime(2024, 7, 9, 21, 5, 33, tzinfo=ZONE)


@given(
    version=st.integers(1, 4),
    trigger=st.sampled_from(Trigger),
    a_number=digits | st.just(""),
    b_number=digits,
    nature=st.sampled_from([1, 2, 3, 4, 5]),
    imsi=st.text("0123456789", min_size=6, max_size=15) | st.just(""),
    vlr=digits | st.just(""),
    cell=st.sampled_from(["", "240-01-4660-22136", "310-410-65535-0"]),
    service_key=st.integers(0, 2**31 - 1),
)
def test_every_scenario_encodes_and_says_what_it_is(
    version, trigger, a_number, b_number, nature, imsi, vlr, cell, service_key
):
    scenario = Scenario(
        version=version,
        trigger=trigger,
        a_number=a_number,
        b_number=b_number,
        b_nature=nature,
        imsi=imsi,
        vlr=vlr,
        cell=cell,
        service_key=service_key,
    )
    sent = initial_dp(scenario, b"\1\2\3\4", WHEN)
    argument = FAST.decode_argument(0, FAST.encode_argument(0, sent, version), version)
    assert argument == sent
    assert argument.service_key == service_key
    assert argument.call_reference_number == b"\1\2\3\4"
    if trigger is Trigger.ORIGINATING:
        called = CalledPartyBCDNumber.decode(argument.called_party_bcd_number)
        assert argument.called_party_number is None
        assert called.nature == {1: 4, 2: 0, 3: 2, 4: 1, 5: 3}[nature]
    else:
        called = CalledPartyNumber.decode(argument.called_party_number)
        assert argument.called_party_bcd_number is None
        assert called.nature == nature
    assert called.digits == b_number
    if a_number:
        assert CallingPartyNumber.decode(argument.calling_party_number).digits == a_number
    assert (argument.imsi is None) == (not imsi)
    if imsi:
        assert Imsi.decode(argument.imsi).digits == imsi
    location = argument.location_information
    assert (location is None) == (not (vlr or cell))
    if vlr:
        assert AddressString.decode(location.vlr_number).digits == vlr
    if cell:
        octets = location.cell_global_id_or_service_area_id_or_lai.value
        assert CellGlobalId.decode(octets) == cell_global_id(cell)
    assert (argument.redirecting_party_id is None) == (trigger is not Trigger.FORWARDED)
    assert (argument.time_and_timezone is None) == (version == 1)
    assert argument.event_type_bcsm == (12 if trigger is Trigger.TERMINATING else 2)


def test_a_forwarded_call_names_who_forwards():
    argument = initial_dp(Scenario(trigger=Trigger.FORWARDED, redirecting_number="46701"), b"\1")
    assert OriginalCalledNumber.decode(argument.original_called_party_id).digits == "46701"
    assert OriginalCalledNumber.decode(argument.redirecting_party_id).digits == "46701"
    assert RedirectionInformation.decode(argument.redirection_information).counter == 1


def test_the_scenarios_own_call_reference_takes_precedence():
    assert initial_dp(Scenario(call_reference=b"\7"), b"\1").call_reference_number == b"\7"


@pytest.mark.parametrize(
    ("moment", "octets"),
    [
        (WHEN, "0242709012503340"),
        (WHEN.astimezone(dt.UTC), "0242709002503300"),
        (
            WHEN.replace(tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
            "0242709012503349",
        ),
        (WHEN.replace(tzinfo=None), "0242709012503300"),
    ],
)
def test_time_and_timezone(moment, octets):
    assert time_and_timezone(moment).hex() == octets


def test_time_and_timezone_is_laid_out_as_published():
    """The first published InitialDP has this: 20 September 2003, 11:22:33, seven quarters of an hour east."""
    zone = dt.timezone(dt.timedelta(minutes=15 * 7))
    moment = dt.datetime(2003, 9, 20, 11, 22, 33, tzinfo=zone)
    assert time_and_timezone(moment).hex() == "0230900211223370"


@pytest.mark.parametrize("cell", ["240-01-4660", "24x-01-1-1", "240-1-1-1", "240-01-65536-1"])
def test_cells_that_are_none(cell):
    with pytest.raises(EncodeError):
        cell_global_id(cell).encode()


def test_a_dialled_number_has_no_routing_nature():
    with pytest.raises(EncodeError, match="dialled number"):
        initial_dp(Scenario(trigger=Trigger.ORIGINATING, b_nature=8), b"\1")


CONNECT = Answer(action=Action.CONNECT, number="99", nature=4, ended=True, context=CAP_V2.octets, seconds=0.5)


@pytest.mark.parametrize(
    ("answer", "expected", "faults"),
    [
        (CONNECT, Expectation(), []),
        (CONNECT, Expectation(action=Action.CONNECT, number="99", nature=4, ended=True), []),
        (CONNECT, Expectation(within=0.4), ["answered after 0.500 s, 0.4 s allowed"]),
        (CONNECT, Expectation(nature=2), ["nature of address 4 instead of 2"]),
        (CONNECT, Expectation(number="98"), ["number 99 instead of 98"]),
        (NO_ANSWER, Expectation(), ["no answer"]),
        (NO_ANSWER, Expectation(action=Action.NOTHING), []),
        (
            Answer(action=Action.WAIT, context=b""),
            Expectation(ended=True),
            [
                "TC-CONTINUE instead of TC-END",
                "application context not echoed in the answer (Q.774 §3.2.1)",
            ],
        ),
    ],
)
def test_faults(answer, expected, faults):
    assert faults_of(answer, expected, CAP_V2.octets) == faults


@pytest.mark.parametrize("trigger", list(Trigger))
def test_a_trigger_by_its_name_is_that_trigger(trigger):
    scenario = Scenario(trigger=trigger.value)
    assert scenario.trigger is trigger
    assert initial_dp(scenario, b"\1") == initial_dp(Scenario(trigger=trigger), b"\1")
