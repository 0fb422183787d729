"""The records of a call that somebody looks at: its own, its leg in the SIP network, its charges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from scp.domain.cdr import leg

if TYPE_CHECKING:
    from scp.domain.cdr import CallAttempt
    from scp.ports import CdrStore, StoredCdr

_PAGE: Final = 1000
_PAGES: Final = 5
"""Pages that are looked through for a call's own record: a held one is written when the call is over."""
_CLOCKS_MS: Final = 1000
"""A record's time of arrival and ours differ by less."""
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


async def records_of(cdrs: CdrStore, attempt: CallAttempt, sip_call: str) -> list[StoredCdr]:
    """Return the records of a call, by their numbers; raises `StoreError`.

    Args:
        cdrs: where they are.
        attempt: as it was seen.
        sip_call: the VoIP service's id of its other half, "" if there is none.
    """
    found = await cdrs.related(f"voip-{sip_call}", _PAGE) if sip_call else []
    if not any(_is(_decode(each.json), attempt) for each in found):
        own = await _own(cdrs, attempt)
        if own is not None:
            found = [*found, *await cdrs.related(own, _PAGE)]
    return sorted(set(found))


async def _own(cdrs: CdrStore, attempt: CallAttempt) -> str | None:
    """Return the id of an attempt's own record, None if it is not there yet."""
    after = 0
    for _ in range(_PAGES):
        page = await cdrs.page(after, _PAGE, since_ms=max(0, attempt.received_ms - _CLOCKS_MS))
        for each in page:
            record = _decode(each.json)
            if _is(record, attempt):
                return str(record["id"])
        if len(page) < _PAGE:
            return None
        after = page[-1].seq
    return None


def _is(record: dict[str, Any], attempt: CallAttempt) -> bool:
    """Whether a record is an attempt's own."""
    if record.get("kind") != "attempt":
        return False
    theirs = leg(record.get("call_reference", ""), record.get("msc_address", ""))
    ours = leg(attempt.call_reference, attempt.msc_address)
    if abs(record["received_ms"] - attempt.received_ms) > _CLOCKS_MS or theirs != ours:
        return False
    return (record.get("a_number", ""), record.get("b_number", "")) == (attempt.a_number, attempt.b_number)
