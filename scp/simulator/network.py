"""The addresses of the simulated MSC and of the gsmSCF in the signalling network."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from ss7.pointcode import format_point_code
from ss7.sccp import Address, GlobalTitle

CAP_SSN = 146  # TS 23.003 §8.2
SCCP = 3  # service indicator (Q.704 §14.2.1)


class Side(StrEnum):
    """The simulator's role in M3UA."""

    GATEWAY = "sg"  # the gsmSCF is an ASP of ours
    ASP = "asp"  # towards an STP
    IPSP = "ipsp"  # towards a gsmSCF without anything between


class Carrier(StrEnum):
    """What carries M3UA."""

    SCTP = "sctp"
    TCP = "tcp"


class Network(Struct, frozen=True, kw_only=True):
    """Point codes and addresses.

    Attributes:
        point_code: of the MSC.
        scp_point_code: of the gsmSCF.
        network_indicator: 0 international, 1 spare, 2 national, 3 reserved for national use.
        global_title: E.164 digits of the MSC in the calling address; "": point code and SSN instead.
        scp_global_title: E.164 digits that the gsmSCF is called by; "": routing is on point code and SSN.
        ssn: of the MSC.
        scp_ssn: of the gsmSCF.
        routing_context: of the M3UA association; -1: none.
    """

    point_code: int = 187
    scp_point_code: int = 185
    network_indicator: int = 0
    global_title: str = "46709000002"
    scp_global_title: str = "46700000001"
    ssn: int = CAP_SSN
    scp_ssn: int = CAP_SSN
    routing_context: int = -1

    def unanswered(self) -> str:
        """Return what to check where the association is up and no request is answered.

        A gsmSCF returns messages for another global title if return on error is asked for (Q.714 §2.4), and
        discards messages for another point code.
        """
        title = f"global title {self.scp_global_title}" if self.scp_global_title else "no global title"
        return (
            "not one request was answered. They went to "
            f"point code {format_point_code(self.scp_point_code)}, {title}, SSN {self.scp_ssn}: "
            "if the node has others, name them (--scp-point-code, --scp-gt, --scp-ssn)"
        )

    def called(self) -> bytes:
        """Return the octets of the called party address of what the MSC sends."""
        return _address(self.scp_point_code, self.scp_ssn, self.scp_global_title)

    def calling(self) -> bytes:
        """Return the octets of its calling party address."""
        return _address(self.point_code, self.ssn, self.global_title)


def _address(point_code: int, ssn: int, digits: str) -> bytes:
    if digits:
        return Address(ssn=ssn, global_title=GlobalTitle(digits)).encode()
    return Address(ssn=ssn, point_code=point_code, route_on_ssn=True).encode()
