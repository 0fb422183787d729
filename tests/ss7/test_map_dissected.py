"""What the MAP codec encodes, as tshark reads it: each operation, result and error of each version, and no mark."""

from __future__ import annotations

from random import Random
from typing import Any

from map_samples import sample
from test_map_codec import ARGUMENTS

from oracles import tshark
from oracles.sigtran_pcap import Frame, Layer, udt
from ss7 import tcap
from ss7.map.codec import FAST
from ss7.map.contexts import BY_NUMBER
from ss7.map.operations import BY_OPCODE
from ss7.map.roots import argument_type, error_type, result_type
from ss7.rose import Invoke, ReturnError, ReturnResult
from ss7.tcap_dialogue import Aare, Aarq

HLR = 6
SPOKEN = [(op, version) for op, version in ARGUMENTS if (BY_OPCODE[op].context, version) in BY_NUMBER]
MISREAD = {
    "Sequence expected but class:UNIVERSAL(0) Primitive tag:10": "cug-Reject before v3 is an ENUMERATED",
    "Sequence expected but class:UNIVERSAL(0) Primitive tag:1 was": "absentSubscriber before v3 is a BOOLEAN",
    "lies beyond the end of the known sequence": "teleservice [5] of sendRoutingInfoForSM before v3",
}
"""What tshark, which has one definition for all versions, says against GSM 09.02 V4."""


def dialogue(opcode: int, version: int, number: int, how_full: float) -> list[Frame]:
    """A question; its result, or where it can have none an error, each error in a dialogue of its own."""
    operation, random = BY_OPCODE[opcode], Random(number)
    context = BY_NUMBER[operation.context, version].octets
    ask, answer = (
        (Aarq(context), Aare(context)) if version > 1 else (None, None)
    )  # v1 has no dialogue portion
    frames: list[Frame] = []

    def say(octets: bytes, what: str) -> None:
        frames.append(Frame(udt(octets, HLR), Layer.SCCP, origin=f"{operation.name} v{version} {what}"))

    def drawn(kind: Any) -> Any:
        return sample(kind, random, how_full)

    argument = FAST.encode_argument(opcode, drawn(argument_type(opcode, version)), version)
    answers: list[tuple[Any, str]] = []
    if (kind := result_type(opcode, version)) is not None:
        result = FAST.encode_result(opcode, drawn(kind), version)
        answers.append((ReturnResult(1, opcode, result), "result"))
    elif operation.operation_class == 1:
        answers.append((ReturnResult(1), "result"))
    for code in operation.errors:
        kind = error_type(code, version)
        parameter = b"" if kind is None else FAST.encode_error(code, drawn(kind), version)
        answers.append((ReturnError(1, code, parameter), f"error {code}"))
    for index, (component, what) in enumerate(answers or [(None, "")]):
        otid = (number << 8 | index).to_bytes(4, "big")
        invoke = Invoke(1, opcode, argument)
        say(tcap.encode(tcap.Message(tcap.BEGIN, otid, dialogue=ask, components=[invoke])), "argument")
        if component is not None:
            say(tcap.encode(tcap.Message(tcap.END, b"", otid, answer, [component])), what)
    return frames


def test_tshark_has_nothing_against_any_operation_result_or_error_of_any_version(dissect: Any) -> None:
    """With no optional component, with some, and with all but manufacturers' extensions."""
    frames: list[Frame] = []
    for index, (opcode, version) in enumerate(SPOKEN):
        for step, how_full in enumerate((0.0, 0.4, 1.0)):
            frames += dialogue(opcode, version, 3 * index + step, how_full)
    tshark.assert_clean(frames, MISREAD)
    named = {(BY_OPCODE[opcode].name, version) for opcode, version in SPOKEN}
    assert {tuple(each.origin.rsplit(" v", 1)) for each in frames if each.origin.endswith("argument")} == {
        (name, f"{version} argument") for name, version in named
    }
    questions = [dialogue(opcode, version, index, 0.0)[0] for index, (opcode, version) in enumerate(SPOKEN)]
    for (opcode, _), seen in zip(SPOKEN, dissect(questions), strict=True):
        assert [int(code) for code in seen.all("gsm_old.localValue")] == [opcode]
        assert "gsm_map" in seen.protocols
