"""The table of operations against the compiled ASN.1 of TS 29.078: every operation, its class, its errors."""

from __future__ import annotations

from typing import Any

import pytest
from pycrate_asn1dir import TCAP_CAP

from ss7.cap.codec import FAST, Codec
from ss7.cap.operations import BY_OPCODE, Opcode
from ss7.cap.parties import CollectInformationArg
from ss7.cap.reference import REFERENCE
from ss7.errors import DecodeError

MODULES = (
    TCAP_CAP.CAP_gsmSSF_gsmSCF_pkgs_contracts_acs,
    TCAP_CAP.CAP_gsmSCF_gsmSRF_pkgs_contracts_acs,
    TCAP_CAP.CAP_gprsSSF_gsmSCF_pkgs_contracts_acs,
    TCAP_CAP.CAP_smsSSF_gsmSCF_pkgs_contracts_acs,
)
CODECS = [pytest.param(FAST, id="fast"), pytest.param(REFERENCE, id="reference")]


def collect(value: Any, found: dict[int, dict[str, Any]]) -> None:
    if isinstance(value, dict):
        if value.get("operationCode"):
            found.setdefault(value["operationCode"][1], value)
            return
        for item in value.values():
            collect(item, found)
    for item in getattr(value, "root", ()):
        collect(item, found)


def operations() -> dict[int, dict[str, Any]]:
    """The OPERATION objects of the ASN.1 by code."""
    found: dict[int, dict[str, Any]] = {}
    for module in MODULES:
        for item in module._all_:
            collect(getattr(item, "_val", None), found)
    return found


def operation_class(operation: dict[str, Any]) -> int:
    """Q.771: 1 both are reported, 2 failure only, 3 success only, 4 neither."""
    succeeds, fails = operation.get("returnResult", True), bool(operation.get("Errors"))
    return {(True, True): 1, (False, True): 2, (True, False): 3, (False, False): 4}[succeeds, fails]


def test_the_table_has_every_operation_with_its_class_and_errors() -> None:
    asn1 = operations()
    assert len(asn1) > 50
    assert {
        code: (operation.operation_class, set(operation.errors)) for code, operation in BY_OPCODE.items()
    } == {
        code: (
            operation_class(operation),
            {error["errorCode"][1] for error in operation["Errors"].root} if "Errors" in operation else set(),
        )
        for code, operation in asn1.items()
    }


@pytest.mark.parametrize("codec", CODECS)
def test_collect_information_may_have_an_argument_or_none(codec: Codec) -> None:
    """TS 29.078 §11.8A.1.1: no parameters, and an argument for later ones."""
    assert codec.decode_argument(Opcode.COLLECT_INFORMATION, b"", 4) is None
    assert codec.encode_argument(Opcode.COLLECT_INFORMATION, None, 4) == b""
    empty = CollectInformationArg()
    assert codec.decode_argument(Opcode.COLLECT_INFORMATION, b"\x30\x00", 4) == empty
    assert codec.encode_argument(Opcode.COLLECT_INFORMATION, empty, 4) == b"\x30\x00"
    with pytest.raises(DecodeError):
        codec.decode_argument(Opcode.COLLECT_INFORMATION, b"\x30", 4)
