"""InitialDPs that are encoded once and sent many times, so that the generator needs less CPU than a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from msgspec.structs import replace

from scp.simulator.idp import called_party_octets, initial_dp
from scp.simulator.network import SCCP
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_VERSION
from ss7.cap.operations import Opcode
from ss7.m3ua import DataEncoder
from ss7.rose import encode_invoke
from ss7.sccp import udt
from ss7.tcap import build_begin
from ss7.tcap_dialogue import Aarq, encode_dialogue

if TYPE_CHECKING:
    from scp.simulator.network import Network
    from scp.simulator.scenario import Scenario

CLASS_1_RETURN_ON_ERROR: Final = 0x81  # Q.713 §3.6
_TID_OCTETS: Final = 4
SLS_VALUES: Final = 16  # 4 bits in ITU networks (Q.704 §2.2.4)


@final
class Template:
    """DATA with an InitialDP, and holes for SLS, transaction id, call reference and called number.

    The call reference is the transaction id. All called numbers of one template are of equal length.
    """

    def __init__(self, scenario: Scenario, network: Network) -> None:
        """Encode it, several times over, to find where the holes are.

        Raises:
            EncodeError: the scenario has no encoding.
        """
        one, two = bytes(range(0xC1, 0xC5)), bytes(range(0xD1, 0xD5))
        other = replace(scenario, b_number=_other_digits(scenario.b_number))
        number, other_number = called_party_octets(scenario), called_party_octets(other)

        def built(call: Scenario, tid: bytes = one, reference: bytes = one, sls: int = 0) -> bytes:
            return _message(call, network, tid, reference, sls)

        base = built(scenario)
        sls_at = _hole(base, built(scenario, sls=1), b"\0", b"\1")
        tid_at = _hole(base, built(scenario, tid=two), one, two)
        reference_at = _hole(base, built(scenario, reference=two), one, two)
        number_at = _hole(base, built(other), number, other_number)
        number_end = number_at + len(number)
        self._heads = [base[:sls_at] + bytes((sls,)) + base[sls_at + 1 : tid_at] for sls in range(SLS_VALUES)]
        tid_end = tid_at + _TID_OCTETS
        reference_end = reference_at + _TID_OCTETS
        self._number_first = number_at < reference_at
        if self._number_first:
            self._first, self._second = base[tid_end:number_at], base[number_end:reference_at]
            self._tail = base[reference_end:]
        else:
            self._first, self._second = base[tid_end:reference_at], base[reference_end:number_at]
            self._tail = base[number_end:]

    def message(self, tid: bytes, number: bytes) -> bytes:
        """Return the message for an id of 4 octets and an encoded number of the template's length."""
        head = self._heads[tid[3] & 15]
        if self._number_first:
            return b"".join((head, tid, self._first, number, self._second, tid, self._tail))
        return b"".join((head, tid, self._first, tid, self._second, number, self._tail))


def _message(scenario: Scenario, network: Network, tid: bytes, reference: bytes, sls: int) -> bytes:
    argument = initial_dp(replace(scenario, call_reference=b""), reference)
    parameter = FAST.encode_argument(Opcode.INITIAL_DP, argument, scenario.version)
    context = BY_VERSION[scenario.version].octets
    portion = encode_dialogue(Aarq(context)) if scenario.dialogue_portion else b""
    begin = build_begin(tid, portion, [encode_invoke(1, int(Opcode.INITIAL_DP), parameter)])
    unit = udt(network.called(), network.calling(), begin, CLASS_1_RETURN_ON_ERROR)
    encoder = DataEncoder(network.routing_context)
    return encoder.encode(
        network.point_code, network.scp_point_code, SCCP, network.network_indicator, 0, sls, unit
    )


def _hole(base: bytes, changed: bytes, old: bytes, new: bytes) -> int:
    """Return the one offset at which ``old`` has to be replaced to make ``changed`` of ``base``."""
    at = base.find(old)
    while base[:at] + new + base[at + len(old) :] != changed:
        at = base.find(old, at + 1)
        if at < 0:
            raise ValueError("the message does not differ in one place only")
    return at


def _other_digits(digits: str) -> str:
    """Return as many digits, each another one."""
    return digits.translate(str.maketrans("0123456789", "1234567890"))
