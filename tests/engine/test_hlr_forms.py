"""What HLRs may say of a place and a state, as another encoder writes it; and what comes twice, in pieces, out of order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from map_room import MapRoom
from pycrate_asn1dir.TCAP_MAPv2v3 import MAP_MS_DataTypes
from room import READY
from test_enquiries import BOB, NUMBER, ask
from test_map_answers import QUESTIONS, on_the_way

from scp.domain.map_results import Outcome
from scp.domain.whereabouts import LocateFailure, Reach, Whereabouts
from scp.simulator.hlr_script import result_of
from ss7 import tcap
from ss7.map.codec import FAST
from ss7.map.operations import Opcode
from ss7.rose import encode_return_result
from ss7.tcap_dialogue import Aare, Abrt, encode_dialogue

ABROAD = "31651000000"
VLR = bytes.fromhex("911356010000f0")
CELL = bytes.fromhex("42f0100064 00c8".replace(" ", ""))
LAI = CELL[:5]
GEOGRAPHICAL = bytes.fromhex("1035A2B30A1B2C05")
EUTRAN = bytes.fromhex("42f01001020304")
MME = b"mmec01.mmegi0001.mme.epc.mnc001.mcc240.3gppnetwork.org"
FIXED = "cellGlobalIdOrServiceAreaIdFixedLength"
IDLE = ("assumedIdle", 0)
EPS = {"e-utranCellGlobalIdentity": EUTRAN, "trackingAreaIdentity": CELL[:5], "mme-Name": MME}
PDP = [{"pdp-ContextIdentifier": 5, "pdp-Type": b"\xf1\x21", "pdp-ContextActive": 0}]


def placed(**location: Any) -> dict[str, Any]:
    return {"locationInformation": {key.replace("_", "-"): value for key, value in location.items()}}


def cell(form: str, octets: bytes) -> dict[str, Any]:
    return {"cellGlobalIdOrServiceAreaIdOrLAI": (form, octets)}


KNOWN = Whereabouts(ABROAD, (), Reach.IDLE, 0.0)
DETACHED = Whereabouts("", (), Reach.DETACHED, 0.0)
FORMS: dict[str, tuple[dict[str, Any], Any]] = {
    "vlr": (placed(vlr_number=VLR), KNOWN),
    "age": (
        placed(vlr_number=VLR, ageOfLocationInformation=32767),
        Whereabouts(ABROAD, (), Reach.IDLE, 32767 * 60.0),
    ),
    "cell": (
        placed(vlr_number=VLR, **cell(FIXED, CELL)),
        Whereabouts(ABROAD, (CELL.hex(),), Reach.IDLE, 0.0),
    ),
    "area": (
        placed(vlr_number=VLR, **cell("laiFixedLength", LAI)),
        Whereabouts(ABROAD, (LAI.hex(),), Reach.IDLE, 0.0),
    ),
    "service area": (
        placed(vlr_number=VLR, **cell(FIXED, CELL)) | {"subscriberState": IDLE},
        Whereabouts(ABROAD, (CELL.hex(),), Reach.IDLE, 0.0),
    ),
    "area without a vlr": (
        placed(**cell("laiFixedLength", LAI)),
        Whereabouts("", (LAI.hex(),), Reach.IDLE, 0.0),
    ),
    "geographical": (placed(vlr_number=VLR, geographicalInformation=GEOGRAPHICAL), KNOWN),
    "geodetic": (placed(vlr_number=VLR, geodeticInformation=b"\x00" + GEOGRAPHICAL + b"\x00"), KNOWN),
    "location number": (placed(vlr_number=VLR, locationNumber=bytes.fromhex("841364070000f0")), KNOWN),
    "msc, lsa, current": (
        placed(vlr_number=VLR, msc_Number=VLR, selectedLSA_Id=b"\x01\x02\x03", currentLocationRetrieved=0),
        KNOWN,
    ),
    "csg": (placed(vlr_number=VLR, userCSGInformation={"csg-Id": (5, 27), "accessMode": b"\x00"}), KNOWN),
    "eps beside a vlr": (placed(vlr_number=VLR, locationInformationEPS=EPS), KNOWN),
    "eps of the packet domain": (
        placed(vlr_number=VLR)
        | {"eps-SubscriberState": ("ps-AttachedReachableForPaging", 0), "locationInformationEPS": EPS},
        KNOWN,
    ),
    "gprs": (
        placed(vlr_number=VLR)
        | {
            "locationInformationGPRS": {
                **cell(FIXED, CELL),
                "sgsn-Number": VLR,
                "routeingAreaIdentity": CELL[:6],
            },
            "ps-SubscriberState": ("ps-PDP-ActiveReachableForPaging", PDP),
        },
        KNOWN,
    ),
    "5gs": (placed(vlr_number=VLR) | {"locationInformation5GS": {"amf-address": MME}}, KNOWN),
    "number portability": (
        placed(vlr_number=VLR)
        | {
            "mnpInfoRes": {
                "imsi": bytes.fromhex("42001021436587f9"),
                "msisdn": VLR,
                "numberPortabilityStatus": "foreignNumberPortedIn",
            }
        },
        KNOWN,
    ),
    "phone": (
        placed(vlr_number=VLR)
        | {
            "imei": bytes.fromhex("53020100000000f0"),
            "ms-Classmark2": b"\x53\x18\x81",
            "gprs-MS-Class": {"mSNetworkCapability": b"\xe5"},
            "imsVoiceOverPS-SessionsIndication": "imsVoiceOverPS-SessionsSupported",
            "lastUE-ActivityTime": bytes(4),
            "lastRAT-Type": "e-utran",
            "timeZone": b"\x40\x00",
            "daylightSavingTime": "plusOneHourAdjustment",
        },
        KNOWN,
    ),
    "eps only": (placed(locationInformationEPS=EPS), LocateFailure.UNREADABLE),
    "state only": ({}, LocateFailure.UNREADABLE),
    "a vlr that is no number": (placed(vlr_number=b"\x91"), LocateFailure.UNREADABLE),
    **{
        f"not reachable, {reason}": (
            (placed(vlr_number=VLR) if where else {}) | {"subscriberState": ("netDetNotReachable", reason)},
            Whereabouts(ABROAD, (), Reach.DETACHED, 0.0) if where else DETACHED,
        )
        for reason in ("msPurged", "imsiDetached", "restrictedArea", "notRegistered")
        for where in (False, True)
    },
    "busy": (
        placed(vlr_number=VLR) | {"subscriberState": ("camelBusy", 0)},
        Whereabouts(ABROAD, (), Reach.BUSY, 0.0),
    ),
    "no state": (
        placed(vlr_number=VLR) | {"subscriberState": ("notProvidedFromVLR", 0)},
        Whereabouts(ABROAD, (), Reach.UNKNOWN, 0.0),
    ),
}
"""What subscriberInfo has, and what it says to the node."""


def result(info: dict[str, Any]) -> bytes:
    """AnyTimeInterrogationRes, by pycrate."""
    described = MAP_MS_DataTypes.AnyTimeInterrogationRes
    described.set_val({"subscriberInfo": {"subscriberState": IDLE} | info})
    return bytes(described.to_ber())


def answering(room: MapRoom, *messages: Callable[[Any], bytes]) -> None:
    """Have the HLR answer the next question with these messages, one behind the other."""

    def begun(indication: Any, now: float) -> None:
        for message in messages:
            room.hlr_node.send(indication.dialogue.path, message(indication.dialogue))

    room.hlr._begun = begun


def located(room: MapRoom) -> Any:
    argument, _ = QUESTIONS[Opcode.ANY_TIME_INTERROGATION]
    [answer] = ask(room, Opcode.ANY_TIME_INTERROGATION, argument)
    return room.places.learnt(NUMBER, answer, room.loop.now)


def ended(room: MapRoom, *components: bytes) -> Callable[[Any], bytes]:
    return lambda dialogue: room.hlr_node.tcap.end(dialogue, list(components))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_place_and_of_a_state_is_read(form: str, everything_sent) -> None:
    info, expected = FORMS[form]
    room = MapRoom(READY)
    answering(room, ended(room, encode_return_result(1, 71, result(info))))
    heard = on_the_way(room)
    assert located(room) == expected
    room.nothing_left()
    for stream, message in heard:  # for tshark, which has to agree that these are answers of MAP
        everything_sent.sent(message, stream=stream)


# --- twice, in pieces, out of order ---


def split(octets: bytes) -> tuple[bytes, bytes]:
    """A SEQUENCE as two: of its first element, and of the others."""
    assert (octets[0], octets[1] < 0x80) == (0x30, True)
    cut = 2 + 2 + octets[3]
    first, rest = (b"\x30" + bytes((len(part),)) + part for part in (octets[2:cut], octets[cut:]))
    return first, rest


def test_an_answer_that_comes_twice_is_one() -> None:
    room = MapRoom(READY)
    octets = encode_return_result(1, 71, result(placed(vlr_number=VLR)))
    sent: list[bytes] = []

    def once(dialogue: Any) -> bytes:
        sent.append(room.hlr_node.tcap.end(dialogue, [octets]))
        return sent[0]

    answering(room, once, lambda dialogue: sent[0])
    assert located(room) == KNOWN
    assert [layer for layer, _ in room.counts.discards].count("tcap") == 1
    room.nothing_left()


def test_a_second_result_in_one_message_is_rejected_and_the_first_counts() -> None:
    room = MapRoom(READY)
    first, second = (
        encode_return_result(1, 71, result(placed(vlr_number=each)))
        for each in (VLR, VLR[:1] + b"\x64\x07\x09\x00\x00\x10")
    )
    answering(room, ended(room, first, second))
    assert located(room) == KNOWN
    room.nothing_left()


@pytest.mark.parametrize("order", ["swapped", "first again"])
def test_segments_out_of_order_are_no_answer(order: str) -> None:
    """In class 1 they come in order (Q.714 §4.1.1.2.3): a message whose segments do not is not put together."""
    room = MapRoom(READY, max_message=90)
    info = placed(vlr_number=VLR, **cell(FIXED, CELL), geographicalInformation=GEOGRAPHICAL)
    answering(room, ended(room, encode_return_result(1, 71, result(info))))
    held: list[Any] = []
    received = room.near.received

    def taken(messages: Any) -> None:
        held.extend(messages)

    room.near.received = taken
    argument, _ = QUESTIONS[Opcode.ANY_TIME_INTERROGATION]
    answers = ask(room, Opcode.ANY_TIME_INTERROGATION, argument, seconds=1.0)
    assert len(held) > 1
    received([held[1], held[0], *held[2:]] if order == "swapped" else [held[0], held[0], *held[2:]])
    room.near.received = received
    room.advance(1.1)
    assert [each.outcome for each in answers] == [Outcome.TIMEOUT]


@pytest.mark.parametrize(
    "portion",
    [
        Aare(b"\x04\x00\x00\x01\x00\x1d\x03", result=1, source=0, diagnostic=1),  # no reason given
        Aare(b"\x04\x00\x00\x01\x00\x1d\x03", result=1, source=1, diagnostic=1),
        Abrt(0),
        Abrt(1),
        None,
    ],
    ids=repr,
)
def test_an_abort_for_another_reason_than_the_context_is_not_asked_again(
    portion: Any, everything_sent
) -> None:
    room = MapRoom(READY, recorder=everything_sent)
    answering(
        room,
        lambda dialogue: tcap.build_abort(
            dialogue.remote_tid, b"" if portion is None else encode_dialogue(portion)
        ),
    )
    argument, _ = QUESTIONS[Opcode.ANY_TIME_INTERROGATION]
    answers = ask(room, Opcode.ANY_TIME_INTERROGATION, argument)
    assert [each.outcome for each in answers] == [Outcome.ABORT]


@pytest.mark.parametrize("cause", range(6))
def test_every_abort_of_the_peers_transaction_layer_ends_the_question(cause: int, everything_sent) -> None:
    room = MapRoom(READY, recorder=everything_sent)
    answering(room, lambda dialogue: tcap.build_p_abort(dialogue.remote_tid, cause))
    argument, _ = QUESTIONS[Opcode.ANY_TIME_INTERROGATION]
    answers = ask(room, Opcode.ANY_TIME_INTERROGATION, argument)
    # 3 is what a peer of MAP v1 says to a dialogue portion; this operation has no version below
    expected = Outcome.CONTEXT if cause == 3 else Outcome.ABORT
    assert [each.outcome for each in answers] == [expected]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("empty", [True, False])
def test_a_result_in_several_components_is_put_together(together: bool, empty: bool, everything_sent) -> None:
    """TC-RESULT-NL and TC-RESULT-L (Q.774 §3.2.1.1.2): each has some of the elements, or none."""
    whole = FAST.encode_result(45, result_of(45, None, BOB, 3)[1], 3)
    first, last = (whole, b"\x30\x00") if empty else split(whole)
    components = [encode_return_result(1, 45, part, last=part is last) for part in (first, last)]
    room = MapRoom(READY, recorder=everything_sent)
    if together:
        answering(room, ended(room, *components))
    else:
        answering(
            room,
            lambda dialogue: room.hlr_node.tcap.continue_(dialogue, components[:1], room.loop.now),
            ended(room, components[1]),
        )
    [answer] = ask(room)
    assert answer.outcome is Outcome.RESULT
    assert FAST.encode_result(45, answer.value, 3) == whole
    room.nothing_left()


def test_parts_of_a_result_that_do_not_fit_are_unreadable_and_so_is_one_without_an_end(
    everything_sent,
) -> None:
    for first in (b"\x04\x01\x00", b"\x30\x05\x00", b"\x30\x80", b"\xbf\x8f\x01\x00"):
        parts = (encode_return_result(1, 45, first, last=False), encode_return_result(1, 45, b"\x30\x00"))
        room = MapRoom(READY, recorder=everything_sent)
        answering(room, ended(room, *parts))
        [answer] = ask(room)
        assert answer.outcome in (Outcome.UNREADABLE, Outcome.REJECT)
        room.nothing_left()
    room = MapRoom(READY)
    answering(room, ended(room, encode_return_result(1, 45, b"\x30\x00", last=False)))
    [answer] = ask(room)
    assert answer.outcome is Outcome.UNREADABLE
    room.nothing_left()
