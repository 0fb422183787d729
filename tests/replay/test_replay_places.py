"""A capture's MAP messages say where subscribers were: replayed calls go by them, as the capture's SCP did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from replay_lab import objects, run, write

from scp.domain.call import Trigger
from scp.simulator.hlr_script import Subscriber, info_of, note_mm_event
from scp.simulator.idp import initial_dp
from scp.simulator.scenario import Scenario
from ss7 import tcap
from ss7.address import AddressString
from ss7.cap.codec import FAST as CAP
from ss7.cap.contexts import BY_VERSION
from ss7.map.codec import FAST
from ss7.map.common import SubscriberIdentity
from ss7.map.contexts import BY_NUMBER
from ss7.map.location import (
    MS_INITIATED_IMSI_DETACH,
    NETWORK_INITIATED_IMSI_DETACH,
    AnyTimeInterrogationArg,
    RequestedInfo,
    SubscriberInfoRes,
)
from ss7.rose import encode_invoke, encode_return_error, encode_return_result
from ss7.tcap_dialogue import Aare, Aarq, encode_dialogue

NUMBER = "46701234567"
ATI, NOTE = BY_NUMBER[29, 3].octets, BY_NUMBER[42, 3].octets
CONFIG = """
[node]
point_code = 185
[sccp]
global_title = "46700000001"
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
[store]
url = "sqlite::memory:"
[numbering]
country_code = "46"
home_vlr = ["4670"]
[services.voip-forwarding]
service_keys = [100]
prefix = "99"
ask_hlr = "needed"
[map]
gateway = 190
deadline_ms = 300
max_age_s = 60
"""
ABROAD = Subscriber(msisdn=NUMBER, vlr="31651000000")
HOME = Subscriber(msisdn=NUMBER, vlr="46709000001")
Message = tuple[float, bool, bytes]


def tid(number: int) -> bytes:
    return number.to_bytes(4, "big")


def call(at: float, number: int, answered: float) -> list[Message]:
    """An originating call to the subscriber, which the capture's SCP lets go on."""
    scenario = Scenario(trigger=Trigger.ORIGINATING, b_number=NUMBER, b_nature=4, version=2)
    argument = CAP.encode_argument(0, initial_dp(scenario, tid(number)), 2)
    context = BY_VERSION[2].octets
    begin = tcap.build_begin(tid(number), encode_dialogue(Aarq(context)), [encode_invoke(1, 0, argument)])
    end = tcap.build_end(tid(number), encode_dialogue(Aare(context)), [encode_invoke(1, 31, b"")])
    return [(at, True, begin), (answered, False, end)]


def question(at: float, number: int) -> Message:
    identity = SubscriberIdentity("msisdn", AddressString(NUMBER).encode())
    argument = AnyTimeInterrogationArg(identity, RequestedInfo(location_information=True), b"\x91\x64\x07")
    invoke = encode_invoke(1, 71, FAST.encode_argument(71, argument, 3))
    return at, False, tcap.build_begin(tid(number), encode_dialogue(Aarq(ATI)), [invoke])


def answer(at: float, number: int, place: Subscriber | None) -> Message:
    component = encode_return_error(1, 34)
    if place is not None:
        component = encode_return_result(1, 71, FAST.encode_result(71, SubscriberInfoRes(info_of(place)), 3))
    return at, True, tcap.build_end(tid(number), encode_dialogue(Aare(ATI)), [component])


def event(
    at: float, number: int, place: Subscriber, *, accepted: bool = True, met: bytes = b"\x02"
) -> list[Message]:
    invoke = encode_invoke(1, 89, FAST.encode_argument(89, note_mm_event(place, met), 3))
    begin = tcap.build_begin(tid(number), encode_dialogue(Aarq(NOTE)), [invoke])
    end = tcap.build_end(tid(number), encode_dialogue(Aare(NOTE)), [encode_return_result(1)])
    return [(at, True, begin), (at + 0.01, False, end if accepted else tcap.build_abort(tid(number), b""))]


def replayed(tmp_path: Path, *messages: Message, stored: bool | None = None) -> list[tuple[str, str]]:
    """What is decided about each call, and why."""
    (tmp_path / "scp.toml").write_text(CONFIG, encoding="utf-8")
    record = {"msisdn": NUMBER, "authorized": True, "aor": "sip:b@x", "forwarding": True, "when": "roaming"}
    if stored is not None:
        record["roaming"] = stored
    (tmp_path / "store.ndjson").write_text(json.dumps(record) + "\n", encoding="utf-8")
    path = write(tmp_path / "calls.pcap", *sorted(messages, key=lambda each: each[0]))
    done = run(
        "replay", path, "-c", tmp_path / "scp.toml", "--store", tmp_path / "store.ndjson", "--json", code=None
    )
    return [(each["action"], each["reason"]) for each in objects(done)]


@pytest.mark.parametrize(
    ("place", "decided"),
    [
        (ABROAD, ("connect", "forwarded-roaming")),
        (HOME, ("continue", "at-home")),
        (None, ("continue", "location-unavailable")),
    ],
)
def test_what_the_hlr_said_in_the_capture_decides(tmp_path, place, decided) -> None:
    found = replayed(
        tmp_path, *call(0.0, 1, 0.2), question(0.005, 2), answer(0.085, 2, place), *call(10.0, 3, 10.1)
    )
    assert found[0] == decided
    # A place is remembered for max_age_s; after a failure the capture's SCP did not ask again.
    assert found[1] == (decided if place is not None else ("continue", "roaming-unknown"))


def test_an_hlr_that_was_asked_and_silent_there_is_silent_here(tmp_path) -> None:
    assert replayed(tmp_path, *call(0.0, 1, 0.4), question(0.005, 2)) == [("continue", "location-timeout")]


def test_a_call_for_which_nobody_asked_goes_by_what_is_stored(tmp_path) -> None:
    assert replayed(tmp_path, *call(0.0, 1, 0.4), stored=True) == [("connect", "forwarded-roaming")]
    assert replayed(tmp_path, *call(0.0, 1, 0.4)) == [("continue", "roaming-unknown")]


def test_what_vlrs_told_in_the_capture_decides_about_the_calls_behind_it(tmp_path) -> None:
    found = replayed(
        tmp_path,
        *event(0.0, 1, ABROAD),
        *call(100.0, 2, 100.4),  # the place is older than max_age_s by then: the flag that it set decides
        *event(200.0, 3, HOME),
        *call(201.0, 4, 201.1),
        *event(202.0, 5, ABROAD, accepted=False),
        *call(203.0, 6, 203.1),
        stored=False,
    )
    assert found == [("connect", "forwarded-roaming"), ("continue", "at-home"), ("continue", "at-home")]


@pytest.mark.parametrize("met", [MS_INITIATED_IMSI_DETACH, NETWORK_INITIATED_IMSI_DETACH])
def test_a_detach_does_not_say_where_the_subscriber_is(tmp_path, met) -> None:
    """As in `scp.engine.mobility`: the roaming flag stays as it is stored."""
    # The call comes when the place is older than max_age_s.
    messages = [*event(0.0, 1, HOME, met=met), *call(100.0, 2, 100.4)]
    assert replayed(tmp_path, *messages, stored=True) == [("connect", "forwarded-roaming")]
