"""The call detail record is a value that a store can keep."""

from __future__ import annotations

import msgspec

from scp.domain.call import Trigger
from scp.domain.cdr import CallAttempt
from scp.domain.decision import Action, Reason


def test_a_record_survives_json_and_absent_fields_take_no_room():
    attempt = CallAttempt(
        id="scp-1-1-0",
        node="scp-1",
        received_ms=1_700_000_000_000,
        decided_ms=1_700_000_000_001,
        service="voip-forwarding",
        service_key=100,
        trigger=Trigger.TERMINATING,
        action=Action.CONNECT,
        reason=Reason.FORWARDED_ROAMING,
        b_number="0011234567",
        number="990011234567",
        call_reference="0102",
        msc_address="46701",
    )
    text = msgspec.json.encode(attempt)
    assert msgspec.json.decode(text, type=CallAttempt) == attempt
    assert b"charged_ms" not in text
    assert b'"reason":"forwarded-roaming"' in text
