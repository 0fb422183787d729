from __future__ import annotations

import asyncio
import io
import json
import logging
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scp.domain.decision import Action, Decision
from scp.domain.reason import Reason
from scp.telemetry import logs
from ss7.isup import CallingPartyNumber

FORWARDED = Decision(Action.CONNECT, Reason.FORWARDED_ALWAYS, "990011234567")


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def logged(level: str = "info", *, mask_numbers: bool = True, **fields: object) -> dict[str, object]:
    stream = io.StringIO()
    logs.configure(level, mask_numbers=mask_numbers, stream=stream)
    logs.get_logger(node="scp-1").info("happened", **fields)
    (line,) = lines(stream)
    return line


def test_one_json_object_a_line() -> None:
    line = logged(peer="stp-a", count=3, note="two\nlines", odd=Action.CONNECT, reason=Reason.AT_HOME)
    assert line.pop("timestamp", "").endswith("Z")
    assert line == {
        "event": "happened",
        "level": "info",
        "node": "scp-1",
        "peer": "stp-a",
        "count": 3,
        "note": "two\nlines",
        "odd": "connect",
        "reason": "at-home",
    }


def test_one_canonical_line_a_call() -> None:
    stream = io.StringIO()
    logs.configure("debug", stream=stream)
    logs.log_call(
        logs.get_logger(),
        service="voip-forwarding",
        decision=FORWARDED,
        a_number="46700000001",
        b_number="0011234567",
        seconds=123e-6,
        peer="stp-a",
        dialogue="01000001",
        trigger="terminating",
    )
    (line,) = lines(stream)
    assert line.pop("timestamp")
    assert line == {
        "event": "call",
        "level": "info",
        "service": "voip-forwarding",
        "action": "connect",
        "reason": "forwarded-always",
        "a_number": "4670xxxxxxx",
        "b_number": "0011xxxxxx",
        "number": "9900xxxxxxxx",
        "microseconds": 123,
        "peer": "stp-a",
        "dialogue": "01000001",
        "trigger": "terminating",
    }


def test_levels() -> None:
    stream = io.StringIO()
    logs.configure("warning", stream=stream)
    logger = logs.get_logger()
    logger.debug("a")
    logger.info("b")
    logger.warning("c")
    logger.error("d")
    assert [line["event"] for line in lines(stream)] == ["c", "d"]


def test_a_failed_call_is_a_warning() -> None:
    stream = io.StringIO()
    logs.configure("warning", stream=stream)
    for decision in (FORWARDED, Decision(Action.CONTINUE, Reason.STORE_TIMEOUT)):
        logs.log_call(
            logs.get_logger(), service="", decision=decision, a_number="", b_number="", seconds=0.15
        )
    (line,) = lines(stream)
    assert (line["level"], line["reason"]) == ("warning", "store-timeout")


def test_what_a_level_shows_of_calls() -> None:
    rates = {level: logs.calls_a_second(level, 10.0) for level in logs.LEVELS}
    assert rates == {"debug": inf, "info": 10.0, "warning": 0.0, "error": None}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("46701234567", "4670xxxxxxx"),
        ("+46701234567", "+4670xxxxxxx"),
        ("sip:+46701234567@voip.example", "sip:+4670xxxxxxx@voip.example"),
        ("112", "112"),
        ("123456", "123456"),
        ("1234567", "1234xxx"),
        ("0-23-1 port 2905", "0-23-1 port 2905"),
        # Fields of 32 bits whose name stands before them.
        ("message length 4294967295: 46701234567", "message length 4294967295: 4670xxxxxxx"),
        ("message length 4294967295 of 16777216 octets", "message length 4294967295 of 16777216 octets"),
        ("ASP active for routing context 4294967294", "ASP active for routing context 4294967294"),
        (
            "DUNA for routing context 4294967294, 99, 4294967295",
            "DUNA for routing context 4294967294, 99, 4294967295",
        ),
        ("network appearance 4294967295", "network appearance 4294967295"),
        ("a routing context, 46701234567", "a routing context, 4670xxxxxxx"),
        ("", ""),
        # A reservation's id is looked for by whoever reads the line; digits alone are never one.
        ("/1b432f6f6e909612345f3fe9dac2b1e7/commit", "/1b432f6f6e909612345f3fe9dac2b1e7/commit"),
        ("1b432f6f6e90961234567fe9dac2b1e7", "1b432f6f6e90961234567fe9dac2b1e7"),
        ("12345678901234567890123456789012", "1234" + "x" * 28),
        # So are those of the VoIP service's enrolments, devices, texts and calls.
        (
            "/v1/enrolments/enr-5fbba1b0da12345678e9/confirmation",
            "/v1/enrolments/enr-5fbba1b0da12345678e9/confirmation",
        ),
        ("/v1/devices/d-1234567890abcdef 46701234567", "/v1/devices/d-1234567890abcdef 4670xxxxxxx"),
        ("sip-12345678901234567890", "sip-12345678901234567890"),
        ("voip-1-69123456-1b voip-1-6912345f-1", "voip-1-69123456-1b voip-1-6912345f-1"),
        (
            "phone-46701234567 d-46701234567 voip-1-46701234-1",
            "phone-4670xxxxxxx d-4670xxxxxxx voip-1-4670xxxx-1",
        ),
        ("1b432f6f6e90961234567fe9dac2b1e7f", "1b432f6f6e9096xxxxxxxfe9dac2b1e7f"),
    ],
)
def test_mask(text: str, masked: str) -> None:
    assert logs.mask(text) == masked


def test_octets_that_nobody_decoded_are_cut_and_ids_are_not() -> None:
    number = CallingPartyNumber("46701234567", 4).encode().hex()
    message = {
        "tcap": {"otid": "01000001", "dtid": "46701234567890"},
        "components": [{"argument": {"iMEI": "5301020304050607", "broken": {"hex": number, "note": "why"}}}],
        "digits": "0701234567",
        "bearer": "8090a3",
    }
    cut = logs.cut_octets(message)
    assert cut["tcap"] == message["tcap"]
    assert (cut["digits"], cut["bearer"]) == ("0701234567", "8090a3")
    argument = cut["components"][0]["argument"]
    assert argument["iMEI"] == "5301… (8 octets)"
    assert number[4:] not in str(cut)
    assert argument["broken"]["note"] == "why"


def test_a_line_may_show_one_number_and_hides_the_others() -> None:
    line = logged(
        deep=["0701234567", "+46701234567", "990701234567", "46709999999"],
        message={"otid": "12345678"},
        **{logs.SHOWN: "701234567"},
    )
    assert line["deep"] == ["0701234567", "+46701234567", "990701234567", "4670xxxxxxx"]
    assert line["message"] == {"otid": "12345678"}
    assert logs.SHOWN not in line


def test_a_tracer_writes_whatever_the_level() -> None:
    stream = io.StringIO()
    logs.configure("error", stream=stream)
    logs.get_tracer(node="scp-1").info("trace", number="46701234567")
    (line,) = lines(stream)
    assert (line["event"], line["number"]) == ("trace", "4670xxxxxxx")


@given(
    number=st.text("0123456789", min_size=7, max_size=15),
    before=st.text("abc: +/", max_size=5),
    after=st.text("abc: @/", max_size=5),
    key=st.sampled_from(["b_number", "event_text", "aor", "error", "anything"]),
)
def test_no_number_gets_through_wherever_it_stands(number: str, before: str, after: str, key: str) -> None:
    event = {key: {"deep": [before + number + after, (number,)]}, "error": ValueError(number)}
    assert number not in str(logs.mask_event(None, "info", event))


def test_numbers_are_shown_if_the_operator_wants_them() -> None:
    assert logged(mask_numbers=False, b_number="46701234567")["b_number"] == "46701234567"


@pytest.mark.parametrize("key", ["token", "api_key", "sha256", "Authorization", "client_secret", "password"])
def test_secrets_are_never_shown(key: str) -> None:
    for mask_numbers in (False, True):
        assert logged(mask_numbers=mask_numbers, **{key: "hunter2"})[key] == "***"


def test_exceptions_are_in_the_line() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream)
    try:
        int("number 46701234567")
    except ValueError:
        logs.get_logger().exception("failed")
    (line,) = lines(stream)
    assert "'number 4670xxxxxxx'" in line["exception"]


def test_other_libraries_log_the_same_way() -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    logs.configure("info", stream=stream)  # a reload
    logging.getLogger("some.library").warning("from %s", "46701234567")
    logging.getLogger("some.library").info("of its own life")
    (line,) = lines(stream)
    assert line["event"] == "from 4670xxxxxxx"
    assert line["logger"] == "some.library"
    assert line["level"] == "warning"


def test_what_asyncio_complains_of_is_a_line() -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream)

    async def main() -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "lost", "exception": ValueError("x")})

    asyncio.run(main())
    (line,) = lines(stream)
    assert line["logger"] == "asyncio"
    assert "lost" in line["event"]
