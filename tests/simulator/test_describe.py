"""What the ladder says of components that are no operations."""

from __future__ import annotations

import pytest

from scp.simulator.describe import describe_component
from ss7.rose import Component, Invoke, Malformed, Reject, ReturnError, ReturnResult, decode_components


@pytest.mark.parametrize(
    ("octets", "kind", "words"),
    [
        ("a306020101020106", ReturnError, "error missingCustomerRecord to invocation 1"),
        ("a306020101020122", ReturnError, "error error-34 to invocation 1"),
        ("a203020105", ReturnResult, "result of invocation 5"),
        ("a406020102810101", Reject, "reject unrecognizedOperation"),
        ("a103020101", Malformed, "malformed component: "),
        ("a10702010106022a03", Invoke, "operation 2a03"),
    ],
)
def test_no_line_is_pythons_own(octets: str, kind: type[Component], words: str) -> None:
    raw = bytes.fromhex(octets)
    (component,) = decode_components(raw, 0, len(raw))
    assert isinstance(component, kind)
    assert describe_component(component).startswith(words)
