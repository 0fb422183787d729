"""CAP values as JSON."""

from __future__ import annotations

import json
from typing import Any

from cap_strategies import arguments
from hypothesis import given

from oracles.vectors import Vector
from ss7 import tcap
from ss7.cap.codec import FAST
from ss7.cap.operations import Opcode
from ss7.cap.render import argument_to_json, error_to_json
from ss7.cap.types import ConnectArg, InitialDPArg, TaskRefusal


@given(arguments())
def test_any_argument_becomes_json(case: tuple[int, int, Any]) -> None:
    opcode, version, value = case
    assert json.loads(json.dumps(argument_to_json(opcode, value, version))) is not None


def test_the_published_cap_v4_initial_dp(vectors: list[Vector]) -> None:
    (vector,) = (vector for vector in vectors if vector.name == "cap4-begin-idp")
    (invoke,) = tcap.decode(vector.octets).components
    assert isinstance(invoke, tcap.Invoke)
    shown = argument_to_json(0, FAST.decode_argument(0, invoke.parameter, 4), 4)
    assert shown["serviceKey"] == 91
    assert shown["eventTypeBCSM"] == "collectedInfo"
    assert shown["calledPartyBCDNumber"] == {"digits": "14165555678", "nature": "national", "plan": "isdn"}
    bearer = shown["bearerCapability"]["bearerCap"]
    assert (bearer["capability"], bearer["mode"], bearer["rate"]) == ("speech", "circuit", "64-kbit/s")
    assert shown["locationInformation"]["ageOfLocationInformation"] == 0
    assert shown["timeAndTimezone"] == "2021-02-14T15:47:13-05:00"
    assert "extensions" not in shown
    assert "cug-OutgoingAccess" not in shown


def test_octets_that_are_no_number_are_hex_with_a_note() -> None:
    shown = argument_to_json(0, InitialDPArg(1, called_party_number=b"\x83\x90\xbb"), 2)["calledPartyNumber"]
    assert "digits" in shown or shown["hex"] == "8390bb"
    octets = bytes.fromhex("022012f1517435ff")
    time = argument_to_json(0, InitialDPArg(1, time_and_timezone=octets), 2)["timeAndTimezone"]
    assert time["hex"] == octets.hex()
    assert time["note"] == "no decimal digits in a time"
    assert time["clause"].startswith("TS 29.078")
    assert time["offset"] in range(8)


def test_what_is_in_the_charging_octets_is_shown() -> None:
    report = bytes.fromhex("a00da003810101a10380011a820100")
    assert argument_to_json(Opcode.APPLY_CHARGING_REPORT, report, 2) == {
        "timeDurationChargingResult": {
            "partyToCharge": {"receivingSideID": "01"},
            "timeInformation": {"timeIfNoTariffSwitch": 26},
            "legActive": False,
        }
    }


def test_numbers_causes_and_the_absence_of_an_argument() -> None:
    connect = ConnectArg((bytes.fromhex("02100900112233"),), o_csi_applicable=True)
    shown = argument_to_json(Opcode.CONNECT, connect, 2)
    assert [number["digits"] for number in shown["destinationRoutingAddress"]] == ["9000112233"]
    assert shown["oCSIApplicable"] is True
    assert argument_to_json(Opcode.RELEASE_CALL, b"\x80\x90", 2)["value"] == 16
    assert argument_to_json(Opcode.CONTINUE, None, 2) is None


def test_errors() -> None:
    assert error_to_json(12, TaskRefusal.CONGESTION) == "congestion"
    assert error_to_json(6, None) is None
