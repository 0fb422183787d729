"""Who pays for a call, and settings of its charging that do not go together."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from test_voip_forwarding import NODE

from scp.domain.numbers import Numbering
from scp.services.charging_policy import ChargingPolicy, ForwardedBy, paid_by
from scp.services.idp import read_call
from scp.services.voip_forwarding import controlled
from scp.simulator.idp import initial_dp
from scp.simulator.scenario import Scenario
from ss7.cap.location import LocationInformation

FORWARDED = Scenario(
    trigger="forwarded",
    a_number="46700000009",
    b_number="46701234567",
    b_nature=4,
    redirecting_number="46700000002",
)
WITHOUT: dict[str, dict[str, Any]] = {
    "redirecting-number": {"redirecting_party_id": None},
    "redirection-indicator": {"redirection_information": None},
    "absent-location": {"location_information": LocationInformation(age_of_location_information=0)},
}
"""What a forwarded call's request may not have to be taken for an originating one."""


@pytest.mark.parametrize("other", ForwardedBy)
@pytest.mark.parametrize("by", ForwardedBy)
def test_what_tells_a_forwarded_call_says_who_pays(by: ForwardedBy, other: ForwardedBy) -> None:
    """With all three signs who forwards pays; a call that lacks the one that counts is paid by its caller."""
    policy, numbering = ChargingPolicy(forwarded_by=by), Numbering(country_code="46")
    request = replace(initial_dp(FORWARDED, b"\1\2"), location_information=None)
    facts = read_call(request, numbering)
    paid = paid_by(request, facts, numbering, policy, roaming=False)
    assert paid is not None
    assert (paid.account, paid.a_number) == ("46700000002", "46700000009")
    less = replace(request, **WITHOUT[other])
    paid = paid_by(less, facts, numbering, policy, roaming=False)
    if by is other:
        assert paid is not None
        assert paid.account == "46700000009"
    elif other is ForwardedBy.REDIRECTING_NUMBER:
        assert paid is None  # it is forwarded, and nobody knows by whom
    else:
        assert paid is not None
        assert paid.account == "46700000002"


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"first_s": 20}, "charging.withheld_s: must be less than the quotas"),
        ({"prefetch_s": 90}, "charging.prefetch_s: must be less than a period, of which one has 90 s"),
        ({"least_s": 200}, "charging.least_s: must not be more than first_s"),
        ({"longest_s": 60}, "charging.longest_s: must not be less than first_s"),
        ({"down": "grace"}, "charging.down: "),
        ({"pays": ["callee"]}, "charging.pays"),
        ({"announce": "sorry"}, "charging.announce: 'sorry' is not in [announcements]"),
        ({"free": ["+46"]}, "charging.free"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_with_their_key(
    settings: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ValueError) as refused:
        controlled({"charging": settings}, NODE)
    assert str(refused.value).startswith(fault)
