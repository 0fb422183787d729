"""Joining by a PIN over a real SMSC: from the number to a device that registers, and who does not get in."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from http.client import HTTPException

import pytest
from real_node import http
from text_lab import SmscThread
from voip_lab import DOMAIN, Lab, unavailable

from oracles.servers import answers_tcp
from oracles.waiting import wait_until
from scp import client

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

EVE, FRED, GRETA, STRANGER = "46702000001", "46702000002", "46702000003", "46709999999"


def post(lab: Lab, path: str, body: dict[str, str]) -> tuple[int, dict]:
    status, answer = http(
        f"{lab.url}{path}", "POST", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    return status, json.loads(answer)


def enrol(lab: Lab, msisdn: str) -> dict:
    status, asked = post(lab, "/v1/enrolments", {"msisdn": msisdn, "label": "a phone"})
    assert status == 202, asked
    return asked


def confirm(lab: Lab, asked: dict, pin: str, secret: str = "") -> tuple[int, dict]:
    return post(
        lab, f"/v1/enrolments/{asked['id']}/confirmation", {"secret": secret or asked["secret"], "pin": pin}
    )


@pytest.fixture(scope="module")
def lab(shared_lab: Lab) -> Iterator[Lab]:
    shared_lab.troubles()
    for msisdn in (EVE, FRED, GRETA):
        shared_lab.api.send(client.authorize(msisdn))
    yield shared_lab
    assert shared_lab.troubles() == []


def test_from_the_number_to_a_device_that_is_called(lab: Lab, smsc: SmscThread) -> None:
    asked = enrol(lab, EVE)
    pin = smsc.pin(EVE)
    status, made = confirm(lab, asked, pin)
    assert status == 201
    assert (made["msisdn"], made["domain"], made["aor"]) == (EVE, DOMAIN, f"sip:+{EVE}@{DOMAIN}")
    (did,) = made["dids"]
    assert did in [f"4685000000{n}" for n in range(1, 6)]
    port = lab.bound(made["user"], EVE, password=made["password"])
    wait_until(lambda: lab.api.send(client.subscriber(EVE)).forwarding)
    said = lab.api.send(client.decide(f"00{EVE}", vlr="491710000001", trigger="terminating"))
    assert (said.action, said.number) == ("connect", f"9900{EVE}")
    for number in (f"9900{EVE}", f"+{did}"):
        answers, calls = lab.device("answers", port), lab.gateway_calls(number)
        for each in (calls, answers):
            each.ended()
    # the PIN has worked, and works no more
    status, problem = confirm(lab, asked, pin)
    assert (status, problem["type"]) == (410, "/problems/pin-used")
    lab.wait_said("audit", result="changed", what="device")
    lab.unbind(made["user"], EVE, port, password=made["password"])


def test_another_device_a_sixth_try_and_a_stranger_do_not_get_in(lab: Lab, smsc: SmscThread) -> None:
    first = enrol(lab, FRED)
    pin = smsc.pin(FRED)
    second = enrol(lab, FRED)
    assert confirm(lab, first, pin, secret=second["secret"])[1]["type"] == "/problems/wrong-device"
    wrong = "000000" if pin != "000000" else "000001"
    for _ in range(5):
        status, problem = confirm(lab, second, wrong)
        assert (status, problem["type"]) == (403, "/problems/wrong-pin")
    status, problem = confirm(lab, second, smsc.pin(FRED, 2))
    assert (status, problem["type"]) == (403, "/problems/locked")
    status, made = confirm(lab, first, pin)
    assert status == 201
    lab.bound(made["user"], FRED, password=made["password"])
    enrol(lab, FRED)
    status, problem = post(lab, "/v1/enrolments", {"msisdn": FRED})
    assert (status, problem["type"]) == (429, "/problems/too-many-pins")
    lab.wait_said("audit", 5, result="refused", problem="wrong-pin")
    assert len(lab.said("audit", result="refused", problem="wrong-pin")) == 5
    # who may not join learns nothing, and gets no message
    asked = enrol(lab, STRANGER)
    assert confirm(lab, asked, "123456")[0] == 403
    assert smsc.taken(STRANGER) == []
    assert confirm(lab, {"id": "enr-0", "secret": "s"}, "123456")[0] == 404


def test_what_was_answered_outlives_kills_and_no_pin_works_twice(lab: Lab, smsc: SmscThread) -> None:
    """The brain is killed at any instant of a confirmation; whoever asks again finds it done, or not begun."""
    dice = random.Random(7)
    for turn in range(2):
        asked = enrol(lab, GRETA)
        pin = smsc.pin(GRETA, turn + 1)
        assert lab.brain is not None
        killer = threading.Timer(dice.random() * 0.02, lab.brain.kill)
        killer.start()
        try:
            status, made = confirm(lab, asked, pin)
        except (OSError, HTTPException):  # killed before its answer, or within it
            status, made = 0, {}
        killer.join()
        lab.brain.wait(120)
        lab.start_brain()
        wait_until(lambda: answers_tcp(lab.http_port))
        again, more = confirm(lab, asked, pin)
        assert (again == 410) if status == 201 else (again in {201, 410}), (status, again, more)
        for one in (made, more):
            if "password" in one:
                port = lab.bound(one["user"], GRETA, password=one["password"])
                lab.unbind(one["user"], GRETA, port, password=one["password"])
