"""The published TCAP PDUs that stand beside the checkout."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PATH: Final = Path(__file__).parents[3] / "shared" / "vectors" / "tcap_cap_pdus.json"
MISSING: Final = f"the published vectors are not there ({PATH.parent.parent.name}/ beside the checkout)"


@dataclass(frozen=True)
class Vector:
    """One PDU and what is known of it; ``otid`` and ``dtid`` in hex, "" where there is none."""

    name: str
    source: str
    octets: bytes
    message: str
    otid: str
    dtid: str
    dialogue_apdu: str
    application_context: str
    components: tuple[dict[str, Any], ...]

    @property
    def operations(self) -> list[int]:
        """Operation codes of the invokes, in their order."""
        return [component["opcode"] for component in self.components]


def load() -> list[Vector]:
    """Return all vectors; none where the file is not there, so that it can be used in ``parametrize``."""
    if not PATH.exists():
        return []
    return [
        Vector(
            name=pdu["name"],
            source=pdu["source"],
            octets=bytes.fromhex(pdu["hex"]),
            message=pdu["message"],
            otid=pdu["otid"] or "",
            dtid=pdu["dtid"] or "",
            dialogue_apdu=pdu["dialogue_apdu"] or "",
            application_context=pdu["application_context"] or "",
            components=tuple(pdu["components"]),
        )
        for pdu in json.loads(PATH.read_text(encoding="utf-8"))["pdus"]
    ]
