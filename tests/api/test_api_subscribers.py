"""Authorize, register, forward: over a real socket, and as a call sees it."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import httpx
import msgspec
import pytest
from api_node import OPERATOR, VOIP, Served

from scp.client import (
    ApiError,
    AsyncClient,
    Client,
    authorization,
    authorize,
    decide,
    deregister,
    end_one_time_number,
    forget_roaming,
    forwarding,
    one_time_number,
    register,
    registration,
    roaming,
    set_forwarding,
    set_one_time_number,
    set_roaming,
    subscriber,
    withdraw,
)
from scp.domain.subscriber import Subscriber, When
from scp.domain.whereabouts import LocateFailure, Reach, Whereabouts
from scp.services.whereabouts import Ask, Asking, OnSilence

NUMBER = "46701234567"
AOR = "sip:+46701234567@voip.example"


def problem_of(error: pytest.ExceptionInfo[ApiError]) -> tuple[int, str]:
    return error.value.problem.status, error.value.kind


def test_a_change_is_what_the_next_call_sees(served: Served, operator: Client) -> None:
    assert served.find(NUMBER) is None
    operator.send(authorize(NUMBER, "240010123456789"))
    assert served.find(NUMBER) == Subscriber(NUMBER, "240010123456789", authorized=True, version=1)
    operator.send(register(NUMBER, AOR, "+46850000001"))
    operator.send(set_forwarding(NUMBER, enabled=True, when="locations", locations=["4673", "42f010"]))
    operator.send(set_roaming(NUMBER, True, "+46730000001"))
    everything = Subscriber(
        NUMBER,
        "240010123456789",
        authorized=True,
        aor=AOR,
        forwarding_number="46850000001",
        forwarding=True,
        when=When.LOCATIONS,
        locations=("4673", "42f010"),
        roaming=True,
        vlr="46730000001",
        version=4,
    )
    assert served.find(NUMBER) == everything
    operator.send(set_forwarding(NUMBER, enabled=False))
    after = served.find(NUMBER)
    assert after is not None
    assert not after.forwarding
    assert after.aor == AOR
    operator.send(withdraw(NUMBER))
    assert served.find(NUMBER) == Subscriber(NUMBER, roaming=True, vlr="46730000001", version=6)
    operator.send(forget_roaming(NUMBER))
    assert served.find(NUMBER) == Subscriber(NUMBER, version=7)


def test_what_was_put_is_what_is_got(operator: Client) -> None:
    assert operator.send(authorize(NUMBER)) == operator.send(authorization(NUMBER))
    assert operator.send(register(NUMBER, AOR)) == operator.send(registration(NUMBER))
    switch = set_forwarding(NUMBER, enabled=True, when="roaming")
    assert operator.send(switch) == operator.send(forwarding(NUMBER))
    assert operator.send(set_roaming(NUMBER, False)) == operator.send(roaming(NUMBER))
    view = operator.send(subscriber(NUMBER))
    assert (view.authorized, view.registered, view.forwarding, view.roaming) == (True, True, True, False)
    assert view.version == 4
    operator.send(authorize(NUMBER))
    assert operator.send(subscriber(NUMBER)).version == 4, "a PUT of what is there already changes nothing"


def test_statuses_say_whether_something_is_new(operator: Client) -> None:
    assert operator.exchange(authorize(NUMBER)).status == 201
    assert operator.exchange(authorize(NUMBER)).status == 200
    assert operator.exchange(register(NUMBER, AOR)).status == 201
    assert operator.exchange(deregister(NUMBER)).status == 204
    assert operator.exchange(deregister(NUMBER)).status == 204
    assert operator.exchange(register(NUMBER, AOR)).status == 201


@pytest.mark.parametrize("call", [authorization, registration, forwarding, roaming, subscriber])
def test_of_an_unknown_number_there_is_nothing(operator: Client, call: type) -> None:
    with pytest.raises(ApiError) as error:
        operator.send(call(NUMBER))
    assert problem_of(error) == (404, "not-set")


def test_ending_what_never_was_makes_no_record(served: Served, operator: Client) -> None:
    operator.send(withdraw(NUMBER))
    operator.send(deregister(NUMBER))
    operator.send(forget_roaming(NUMBER))
    assert served.find(NUMBER) is None


def test_each_step_needs_the_one_before_it(served: Served, operator: Client) -> None:
    with pytest.raises(ApiError) as error:
        operator.send(register(NUMBER, AOR))
    assert problem_of(error) == (403, "not-authorized")
    with pytest.raises(ApiError) as error:
        operator.send(set_forwarding(NUMBER, enabled=True))
    assert problem_of(error) == (403, "not-authorized")
    assert served.find(NUMBER) is None
    operator.send(authorize(NUMBER))
    with pytest.raises(ApiError) as error:
        operator.send(set_forwarding(NUMBER, enabled=True))
    assert problem_of(error) == (409, "not-registered")
    assert served.find(NUMBER) == Subscriber(NUMBER, authorized=True, version=1)


@pytest.mark.parametrize("written", ["+46701234567", "46 70 123 45 67", "+46 701234567 ", " 46701234567"])
def test_numbers_are_taken_as_people_write_them(operator: Client, written: str) -> None:
    assert operator.send(authorize(written)).msisdn == NUMBER


def test_a_forwarding_number_that_would_loop_is_refused(served: Served, operator: Client) -> None:
    operator.send(authorize(NUMBER))
    with pytest.raises(ApiError) as error:
        operator.send(register(NUMBER, AOR, "+" + NUMBER))
    assert problem_of(error) == (422, "invalid")
    assert error.value.problem.errors[0].path == "forwarding_number"


# --- ETags ---


def test_an_etag_names_a_representation(operator: Client) -> None:
    first = operator.exchange(authorize(NUMBER))
    assert operator.exchange(authorization(NUMBER)).etag == first.etag
    operator.send(register(NUMBER, AOR))
    assert operator.exchange(authorization(NUMBER)).etag == first.etag, "the registration is another resource"
    assert operator.exchange(authorize(NUMBER, "240010123456789")).etag != first.etag


def test_a_change_of_something_else_by_now_is_refused(served: Served, operator: Client) -> None:
    tag = operator.exchange(authorize(NUMBER)).etag
    operator.send(authorize(NUMBER, "240010000000001").when_match(tag))
    for late in (
        authorize(NUMBER, "240010000000002").when_match(tag),
        authorize(NUMBER, "240010000000002").when_match("W/" + tag),
        authorize(NUMBER, "240010000000002").when_new(),
        withdraw(NUMBER).when_match(tag),
    ):
        with pytest.raises(ApiError) as error:
            operator.send(late)
        assert problem_of(error) == (412, "changed-meanwhile")
    found = served.find(NUMBER)
    assert found is not None
    assert (found.imsi, found.version) == ("240010000000001", 2)
    operator.send(withdraw(NUMBER).when_match("*"))
    with pytest.raises(ApiError) as error:
        operator.send(withdraw(NUMBER).when_match("*"))
    assert problem_of(error) == (412, "changed-meanwhile")
    operator.send(authorize(NUMBER).when_new())


def test_what_is_known_is_not_sent_again(operator: Client) -> None:
    tag = operator.exchange(authorize(NUMBER)).etag
    for header in (tag, f'"x", W/{tag}', "*"):
        response = operator._http.get(f"/v1/authorizations/{NUMBER}", headers={"If-None-Match": header})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", tag)
    assert (
        operator._http.get(f"/v1/authorizations/{NUMBER}", headers={"If-None-Match": '"x"'}).status_code
        == 200
    )


# --- races ---


def test_two_writers_of_one_record_lose_nothing(served: Served) -> None:
    """The operator changes the IMSI, the VoIP service forwarding, as fast as they can; no change is lost."""
    rounds = 300

    async def race() -> None:
        async with AsyncClient(served.url, OPERATOR) as operator, AsyncClient(served.url, VOIP) as voip:
            await operator.send(authorize(NUMBER))
            await voip.send(register(NUMBER, AOR))

            async def authorize_again() -> None:
                for number in range(rounds):
                    await operator.send(authorize(NUMBER, f"24001{number:010}"))

            async def switch() -> None:
                for number in range(rounds):
                    await voip.send(set_forwarding(NUMBER, enabled=number % 2 == 0))

            await asyncio.gather(authorize_again(), switch())

    served.run(race())
    found = served.find(NUMBER)
    assert found is not None
    assert found.version == 2 + 2 * rounds
    assert (found.imsi, found.aor, found.forwarding) == (f"24001{rounds - 1:010}", AOR, False)
    changes = [line for line in served.audited() if line["result"] == "changed"][2:]
    for earlier, later in pairwise(changes):
        assert later["before"] == earlier["after"], "each change was made to what the one before it left"


# --- dry runs ---


def test_a_dry_run_says_what_a_call_would_get(operator: Client) -> None:
    assert operator.send(decide("0701234567")).reason == "unknown-subscriber"
    operator.send(authorize(NUMBER))
    operator.send(register(NUMBER, AOR))
    operator.send(set_forwarding(NUMBER, enabled=True, when="roaming"))
    decision = operator.send(decide("0701234567", a_number="+46709999999"))
    assert (decision.action, decision.number, decision.reason) == ("continue", None, "roaming-unknown")
    assert [step.condition for step in decision.path][:4] == [
        "not-marked",
        "called-number",
        "redirections",
        "subscriber",
    ]
    assert decision.path[-1].outcome == decision.reason
    abroad = operator.send(decide("+46 70 123 45 67", trigger="terminating", vlr="+49171000001"))
    assert (abroad.action, abroad.number, abroad.nature) == ("connect", "9946701234567", "international")
    assert operator.send(decide("112")).reason == "never-steer"
    back = operator.send(decide("0701234567", redirecting_number="990701234567", redirections=1))
    assert (back.action, back.reason, back.path[-1].value) == (
        "continue",
        "diverted-back",
        "counter=1 redirecting=990701234567",
    )
    assert operator.send(decide("0701234567", redirections=5)).reason == "redirection-limit"


def test_a_dry_run_says_that_an_hlr_would_be_asked_and_asks_it_if_wanted(
    served: Served, operator: Client
) -> None:
    operator.send(authorize(NUMBER))
    operator.send(register(NUMBER, AOR))
    operator.send(set_forwarding(NUMBER, enabled=True, when="roaming"))
    served.node.asks = Asking(Ask.NEEDED)
    said = operator.send(decide("0701234567"))
    assert said.reason == "roaming-unknown"
    [place] = [step for step in said.path if step.condition == "place"]
    assert (place.value, place.outcome) == ("ask_hlr is needed", "the HLR was not asked")
    assert not served.node.located
    served.node.place = Whereabouts("31651000000", reach=Reach.IDLE, age_s=12.4)
    asked = operator.send(decide("0701234567", ask_hlr=True))
    assert (asked.action, asked.reason) == ("connect", "forwarded-roaming")
    [place] = [step for step in asked.path if step.condition == "place"]
    assert (place.value, place.outcome) == ("VLR 31651000000, idle, 12 s ago", "yes")
    served.node.place = LocateFailure.TIMEOUT
    served.node.asks = Asking(Ask.NEEDED, OnSilence.CONTINUE)
    silent = operator.send(decide("0701234567", ask_hlr=True))
    assert (silent.action, silent.reason, silent.path[-1].value) == (
        "continue",
        "location-timeout",
        "HLR: timeout",
    )
    assert operator.send(decide("112", ask_hlr=True)).reason == "never-steer"
    assert served.node.located == [NUMBER, NUMBER]  # of no call that does not need it


def test_without_a_service_that_steers_there_is_no_dry_run(served: Served, operator: Client) -> None:
    with pytest.raises(ApiError) as error:
        operator.send(decide("0701234567", service_key=7))
    assert problem_of(error) == (409, "no-steering-service")
    served.node.steers = None
    with pytest.raises(ApiError) as error:
        operator.send(decide("0701234567"))
    assert problem_of(error) == (409, "no-steering-service")


def test_a_one_time_number_lasts_as_long_as_it_is_given_for(served: Served, operator: Client) -> None:
    caller = "46709999999"
    for seconds in (1, 600):
        before = time.time_ns() // 1_000_000
        given = operator.send(set_one_time_number("46810000018", caller, seconds=seconds))
        assert before <= given.expires_ms - seconds * 1000 <= time.time_ns() // 1_000_000
    before = time.time_ns() // 1_000_000
    answered = httpx.put(
        f"{served.url}/v1/one-time-numbers/46810000018",
        json={"caller": caller},
        headers={"Authorization": f"Bearer {OPERATOR}"},
        trust_env=False,
    )
    assert before <= answered.json()["expires_ms"] - 30_000 <= time.time_ns() // 1_000_000
    given = operator.send(one_time_number("46810000018"))
    assert msgspec.to_builtins(given) == answered.json()
    for seconds in (0, -1, 601):
        with pytest.raises(ApiError) as error:
            operator.send(set_one_time_number("46810000018", caller, seconds=seconds))
        assert error.value.problem.status == 422
    for wrong in ("", "no number", "0709999999"):
        with pytest.raises(ApiError) as error:
            operator.send(set_one_time_number("46810000018", wrong))
        assert error.value.problem.status == 422
    assert operator.send(one_time_number("46810000018")) == given


def test_a_one_time_number_is_set_shown_explained_and_ended(served: Served, operator: Client) -> None:
    number, caller = "46810000017", "46709999999"
    given = operator.send(set_one_time_number(number, f"+{caller}", seconds=60))
    assert operator.send(one_time_number(number)) == given
    assert (given.number, given.caller) == (number, caller)
    tried = operator.send(decide(f"+{number}", a_number=f"+{caller}"))
    assert (tried.action, tried.reason) == ("continue", "passed")
    assert (tried.path[-1].condition, tried.path[-1].outcome) == ("pass", "passed")
    for other in ("+46708888888", None):  # who is not shown has none
        assert operator.send(decide(f"+{number}", a_number=other)).reason == "not-authorized"
    assert "one-time-numbers" in served.audited()[-1]["what"]
    again = operator.send(set_one_time_number(number, "46708888888"))
    assert served.audited()[-1]["before"] == msgspec.to_builtins(given)
    assert served.audited()[-1]["after"] == msgspec.to_builtins(again)
    operator.send(end_one_time_number(number))
    ended = served.audited()
    assert (ended[-1]["before"], ended[-1]["after"]) == (msgspec.to_builtins(again), None)
    assert ended[-1]["what"].startswith("DELETE ")
    operator.send(end_one_time_number(number))  # no error, and nothing that changed
    assert served.audited() == ended
    with pytest.raises(ApiError) as error:
        operator.send(one_time_number(number))
    assert problem_of(error) == (404, "not-set")
    operator.send(authorize(NUMBER))
    with pytest.raises(ApiError) as error:
        operator.send(set_one_time_number(NUMBER, caller))
    assert problem_of(error) == (409, "subscribers-number")
    with Client(served.url, VOIP) as other_key, pytest.raises(ApiError) as error:
        other_key.send(set_one_time_number(number, caller))
    assert error.value.problem.status == 403
