"""The scenario ``codec``: microseconds to decode an InitialDP and to encode its Connect, layer by layer."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from scp.bench.scenarios import ABROAD, msisdn
from scp.bench.template import Template
from scp.simulator.idp import called_party_octets
from scp.simulator.network import SCCP, Network
from ss7 import m3ua, sccp, tcap
from ss7.cap.codec import FAST
from ss7.cap.contexts import CAP_V2
from ss7.cap.operations import Opcode
from ss7.cap.reference import REFERENCE, REFERENCE_TCAP
from ss7.cap.types import ConnectArg
from ss7.isup import CalledPartyNumber
from ss7.rose import Invoke, encode_invoke
from ss7.tcap_dialogue import Aare, encode_dialogue

if TYPE_CHECKING:
    from collections.abc import Callable

    from ss7.cap.codec import Codec
    from ss7.tcap import TcapCodec

_VERSION: Final = CAP_V2.version
_TID: Final = b"\0\0\0\1"
_DIGITS: Final = f"99{msisdn(0)}"
_LAYERS_IN: Final = ("m3ua", "sccp", "tcap", "cap")
_LAYERS_OUT: Final = ("cap", "tcap", "sccp", "m3ua")
_BATCH_SECONDS: Final = 0.01


def codec_times(seconds: float) -> dict[str, dict[str, dict[str, float]]]:
    """Time both codecs, each step for about ``seconds``; the quickest batch counts.

    Returns:
        microseconds by codec ("fast", "reference"), direction ("decode", "encode") and layer, with their sum
        ("all"). M3UA and SCCP are the same in both.
    """
    return {
        "fast": _both(FAST, tcap.decode, _encode_end, seconds),
        "reference": _both(REFERENCE, REFERENCE_TCAP.decode, _reference_end(REFERENCE_TCAP), seconds),
    }


def _both(
    codec: Codec,
    decode: Callable[[bytes], tcap.Message],
    encode_end: Callable[[bytes], bytes],
    seconds: float,
) -> dict[str, dict[str, float]]:
    network = Network()
    scenario = ABROAD
    packet = Template(scenario, network).message(_TID, called_party_octets(scenario))
    data = m3ua.decode_data(packet)
    unit = sccp.decode(data.payload)
    if not isinstance(unit, sccp.UnitData):
        raise TypeError("the template is no UDT")
    begin = decode(unit.data)
    first = begin.components[0]
    if not isinstance(first, Invoke):
        raise TypeError("the template has no invoke")
    number = CalledPartyNumber(_DIGITS, 4, 1, inn=False).encode()
    argument = ConnectArg((number,))
    parameter = codec.encode_argument(Opcode.CONNECT, argument, _VERSION)
    end = encode_end(parameter)
    answer = sccp.udt(unit.calling_raw, unit.called_raw, end, 1)
    encoder = m3ua.DataEncoder()
    reading: tuple[Callable[[], Any], ...] = (
        lambda: m3ua.decode_data(packet),
        lambda: sccp.decode(data.payload),
        lambda: decode(unit.data),
        lambda: codec.decode_argument(Opcode.INITIAL_DP, first.parameter, _VERSION),
    )
    writing: tuple[Callable[[], Any], ...] = (
        lambda: codec.encode_argument(Opcode.CONNECT, argument, _VERSION),
        lambda: encode_end(parameter),
        lambda: sccp.udt(unit.calling_raw, unit.called_raw, end, 1),
        lambda: encoder.encode(data.dpc, data.opc, SCCP, 0, 0, 0, answer),
    )
    return {
        "decode": _with_sum(
            {layer: _time(step, seconds) for layer, step in zip(_LAYERS_IN, reading, strict=True)}
        ),
        "encode": _with_sum(
            {layer: _time(step, seconds) for layer, step in zip(_LAYERS_OUT, writing, strict=True)}
        ),
    }


def _encode_end(parameter: bytes) -> bytes:
    portion = encode_dialogue(Aare(CAP_V2.octets))
    return tcap.build_end(_TID, portion, [encode_invoke(1, Opcode.CONNECT, parameter)])


def _reference_end(codec: TcapCodec) -> Callable[[bytes], bytes]:
    def encode(parameter: bytes) -> bytes:
        return codec.encode(
            tcap.Message(
                tcap.END,
                dtid=_TID,
                dialogue=Aare(CAP_V2.octets),
                components=[Invoke(1, Opcode.CONNECT, parameter)],
            )
        )

    return encode


def _with_sum(times: dict[str, float]) -> dict[str, float]:
    rounded = {layer: round(micros, 3) for layer, micros in times.items()}
    return rounded | {"all": round(sum(times.values()), 3)}


def _time(step: Callable[[], Any], seconds: float) -> float:
    """Return a call's microseconds in the quickest batch of those that fit in ``seconds``."""
    count = 1
    best = _batch(step, count)
    while best < _BATCH_SECONDS:
        count *= 2
        best = _batch(step, count)
    until = perf_counter() + seconds
    while perf_counter() < until:
        best = min(best, _batch(step, count))
    return best / count * 1e6


def _batch(step: Callable[[], Any], count: int) -> float:
    started = perf_counter()
    for _ in range(count):
        step()
    return perf_counter() - started
