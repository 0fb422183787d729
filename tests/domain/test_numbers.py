"""Numbering: what becomes of a called number, and of an MSISDN as a person writes it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scp.domain.numbers import Nature, Numbering, Plan, dialled, is_msisdn, parse_msisdn
from scp.domain.reason import Reason

SWEDEN = Numbering(
    "46", never_steer=frozenset({"112", "911", "0771234567", "46700009999"}), home_vlr=("4670",)
)
NORWAY = Numbering("47", national_prefix="")
AMERICA = Numbering("1", international_prefix=("011", "00"), national_prefix="1")
NANP = Numbering("1", international_prefix="011", national_prefix="1", national_lengths=frozenset({10}))
RUSSIA = Numbering("7", international_prefix="810", national_prefix="8", national_lengths=frozenset({10}))
ITALY = Numbering("39", national_prefix="")
FINLAND = Numbering("358", international_prefix=("00", "990", "994", "999"))
ISRAEL = Numbering("972", international_prefix=("00", "012", "013", "014", "018"))
HUNGARY = Numbering("36", national_prefix="06")
PLANS = (SWEDEN, NORWAY, AMERICA, NANP, RUSSIA, ITALY, FINLAND, ISRAEL, HUNGARY)

U, I, N, S = Nature.UNKNOWN, Nature.INTERNATIONAL, Nature.NATIONAL, Nature.SUBSCRIBER  # noqa: E741

STEERABLE = [
    (SWEDEN, "0011234567", U, "11234567"),
    (SWEDEN, "0701234567", U, "46701234567"),
    (SWEDEN, "0046701234567", U, "46701234567"),
    (SWEDEN, "46701234567", I, "46701234567"),
    (SWEDEN, "701234567", N, "46701234567"),
    (SWEDEN, "00123", N, "4600123"),
    (NORWAY, "22334455", U, "4722334455"),
    (NORWAY, "22334455", S, "4722334455"),
    (NORWAY, "0046701234567", U, "46701234567"),
    (AMERICA, "01146701234567", U, "46701234567"),
    (AMERICA, "0046701234567", U, "46701234567"),
    (AMERICA, "12125550100", U, "12125550100"),
    (NANP, "2125550100", U, "12125550100"),
    (NANP, "12125550100", U, "12125550100"),
    (NANP, "01146701234567", U, "46701234567"),
    (NANP, "2125550100", N, "12125550100"),
    (RUSSIA, "89161234567", U, "79161234567"),
    (RUSSIA, "9161234567", U, "79161234567"),
    (RUSSIA, "8001234567", U, "78001234567"),  # its 8 is the area code's, not the prefix
    (RUSSIA, "88001234567", U, "78001234567"),
    (RUSSIA, "81046701234567", U, "46701234567"),
    (ITALY, "0612345678", U, "390612345678"),
    (ITALY, "3331234567", U, "393331234567"),
    (ITALY, "00390612345678", U, "390612345678"),
    (FINLAND, "0401234567", U, "358401234567"),
    (FINLAND, "99046701234567", U, "46701234567"),
    (ISRAEL, "0501234567", U, "972501234567"),
    (ISRAEL, "01246701234567", U, "46701234567"),
    (HUNGARY, "06201234567", U, "36201234567"),
    (HUNGARY, "0036201234567", U, "36201234567"),
    (SWEDEN, "123456789012345", I, "123456789012345"),
    (SWEDEN, "12345", I, "12345"),
]

UNSTEERABLE = [
    ("", U, Reason.NO_CALLED_NUMBER),
    ("112", U, Reason.NEVER_STEER),
    ("112", N, Reason.NEVER_STEER),
    ("46112", I, Reason.NEVER_STEER),
    ("0046112", U, Reason.NEVER_STEER),
    ("0771234567", U, Reason.NEVER_STEER),
    ("0700009999", U, Reason.NEVER_STEER),
    ("46700009999", I, Reason.NEVER_STEER),
    ("1177", U, Reason.SHORT_NUMBER),
    ("001234", U, Reason.SHORT_NUMBER),
    ("12345", Nature.SHORT_CODE, Reason.SHORT_NUMBER),
    ("123456", U, Reason.LOCAL_NUMBER),
    ("123456", S, Reason.LOCAL_NUMBER),
    ("*21*0701234567#", U, Reason.UNPARSABLE_NUMBER),
    ("46701234A67", I, Reason.UNPARSABLE_NUMBER),
    ("٤٦٧٠١٢٣٤٥", I, Reason.UNPARSABLE_NUMBER),
    ("0701234567", I, Reason.UNPARSABLE_NUMBER),
    ("000701234567", U, Reason.UNPARSABLE_NUMBER),
    ("1234567890123456", I, Reason.NUMBER_TOO_LONG),
    ("0" + "7" * 14, U, Reason.NUMBER_TOO_LONG),
    ("46701234567", Nature.NETWORK_SPECIFIC, Reason.OTHER_NUMBERING_PLAN),
    ("46701234567", Nature.RESERVED, Reason.OTHER_NUMBERING_PLAN),
]


@pytest.mark.parametrize(("plan", "digits", "nature", "e164"), STEERABLE)
def test_a_number_becomes_e164(plan, digits, nature, e164):
    assert plan.normalise(digits, nature) == (e164, None)


@pytest.mark.parametrize(("digits", "nature", "reason"), UNSTEERABLE)
def test_a_number_that_is_not_steered_says_why(digits, nature, reason):
    assert SWEDEN.normalise(digits, nature) == ("", reason)


@pytest.mark.parametrize(
    ("plan", "digits"),
    [(NANP, "5550100"), (RUSSIA, "1234567"), (RUSSIA, "916123456"), (HUNGARY, "201234567")],
)
def test_a_number_without_prefix_is_local_where_its_length_does_not_say_more(plan, digits):
    assert plan.normalise(digits, U) == ("", Reason.LOCAL_NUMBER)


def test_another_plan_is_not_steered_but_an_emergency_number_is_still_one():
    assert SWEDEN.normalise("46701234567", I, Plan.OTHER) == ("", Reason.OTHER_NUMBERING_PLAN)
    assert SWEDEN.normalise("112", U, Plan.OTHER) == ("", Reason.NEVER_STEER)


@given(st.sampled_from(PLANS), st.text("0123456789", max_size=20), st.sampled_from(Nature))
def test_normalisation_is_idempotent(plan, digits, nature):
    e164, fault = plan.normalise(digits, nature)
    assert (e164 == "") == (fault is not None)
    if fault is None:
        assert is_msisdn(e164)
        assert plan.normalise(e164, I) == (e164, None)


@given(st.sampled_from(PLANS), st.text(max_size=40), st.sampled_from(Nature), st.sampled_from(Plan))
def test_no_text_raises(plan, digits, nature, number_plan):
    e164, fault = plan.normalise(digits, nature, number_plan)
    assert isinstance(fault, Reason) or is_msisdn(e164)


@given(st.sampled_from(PLANS), st.integers(10**7, 10**12 - 1))
def test_national_and_dialled_form_lead_back_to_the_number(plan, subscriber):
    national = "2" + str(subscriber)[1:]
    e164 = plan.country_code + national
    assert plan.national(e164) == national
    assert plan.normalise(national, N) == (e164, None)
    with_prefix = plan.national_prefix + national
    assume(len(with_prefix) not in plan.national_lengths)  # then it is a national number as it stands
    assert plan.normalise(with_prefix, U) == (e164, None)
    for prefix in plan.international_prefixes:
        assert plan.normalise(prefix + e164, U) == (e164, None)


@pytest.mark.parametrize(
    ("vlr", "roaming"), [("46701", False), ("4670", False), ("4673", True), ("31651", True), ("", None)]
)
def test_roaming_is_being_at_a_vlr_that_is_not_of_the_home_network(vlr, roaming):
    assert SWEDEN.roaming(vlr) is roaming
    assert NORWAY.roaming(vlr) is None  # no home VLRs configured


@pytest.mark.parametrize(
    "text", ["46701234567", "+46701234567", "+46 70 123 45 67", " 46 701234567 ", "+ 46701234567"]
)
def test_an_msisdn_is_read_as_people_write_it(text):
    assert parse_msisdn(text) == "46701234567"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "4670",
        "1234567890123456",
        "070-1234567",
        "0701234567",
        "++46701234567",
        "46701234567x",
        "٤٦٧٠١٢٣",
    ],
)
def test_an_msisdn_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="MSISDN"):
        parse_msisdn(text)


@given(st.text(max_size=20))
def test_reading_an_msisdn_twice_changes_nothing(text):
    try:
        digits = parse_msisdn(text)
    except ValueError:
        return
    assert is_msisdn(digits)
    assert parse_msisdn(digits) == parse_msisdn("+" + digits) == digits


def test_a_dialled_number_with_plus_is_international():
    assert dialled("+46 70 123") == ("4670123", I)
    assert dialled("070 123") == ("070123", U)


def test_the_configuration_table_is_the_value():
    table = {
        "country_code": "46",
        "international_prefix": ["00", "009"],
        "never_steer": ["112"],
        "home_vlr": ["4670"],
        "national_lengths": [9, 10],
    }
    plan = msgspec.convert(table, Numbering)
    assert plan.international_prefixes == ("00", "009")
    assert plan.normalise("00946701234567", U) == ("46701234567", None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("country_code", "046"),
        ("country_code", "4646"),
        ("international_prefix", ""),
        ("international_prefix", "+"),
        ("national_prefix", "x"),
        ("national_lengths", [3]),
        ("national_lengths", 10),
        ("never_steer", ["1 1 2"]),
        ("never_steer", ["112\n"]),
        ("country_code", "46\n"),
        ("home_vlr", ["+4670"]),
        ("home_vlrs", ["4670"]),
    ],
)
def test_a_wrong_setting_is_refused(key, value):
    with pytest.raises(msgspec.ValidationError, match=key):
        msgspec.convert({"country_code": "46"} | {key: value}, Numbering)
