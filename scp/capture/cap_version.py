"""The protocol and version of a message, by its application context.

A version is 1 to 4 for CAP; for others, whose operation codes are other operations, it is negative: of MAP
one of `MAP_BY_VERSION`, or `MAP` where only the subsystems tell; `OTHER` for the rest.
0 stands for "unknown".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ss7 import tcap
from ss7.cap.contexts import BY_OCTETS, CAP_V1, LATEST
from ss7.errors import DecodeError
from ss7.map.contexts import BY_OCTETS as MAP_CONTEXTS
from ss7.tcap_dialogue import Aare, Aarq, Audt

if TYPE_CHECKING:
    from ss7.sccp import UnitData, UnitDataService
    from ss7.tcap_dialogue import DialoguePortion

MAP: Final = -1
OTHER: Final = -2
"""Neither CAP nor MAP: INAP, or a manufacturer's own protocol."""
MAP_BY_VERSION: Final = {1: -11, 2: -12, 3: -13, 4: -13}
"""MAP with its version, of the application context."""
_MAP_VERSIONS: Final = {-11: 1, -12: 2, -13: 3, MAP: 3}
VERSIONS: Final = range(LATEST, 0, -1)

_MOBILE_DOMAIN: Final = bytes.fromhex("04000001")  # {itu-t identified-organization etsi mobileDomain}
_GSM_NETWORK: Final = 0  # contexts of MAP (TS 29.002 §17.3.3), and these of CAP v1 and v2
_CAP_CONTEXTS: Final = (50, 51, 52)
_CAP_VERSIONS: Final = {20: 3, 21: 3, 22: 4, 23: 4}  # umts-Network and ac of CAP v3 and v4 (TS 29.078 §5.6)
# Nodes that speak MAP (TS 23.003 §8.1 and §8.2).
_MAP_SSNS: Final = frozenset({5, 6, 7, 8, 9, 10, 147, 148, 149})
_ACCEPTED: Final = 0


def version_of_context(context: bytes) -> int:
    """Return the version that an application context has, `MAP` or `OTHER`.

    Args:
        context: contents of the OBJECT IDENTIFIER.
    """
    known = BY_OCTETS.get(context)
    if known is not None:
        return known.version
    if not context.startswith(_MOBILE_DOMAIN) or len(context) < 7:
        return OTHER
    network, application = context[4], context[5]
    if network != _GSM_NETWORK:
        return _CAP_VERSIONS.get(network, OTHER)
    if application in _CAP_CONTEXTS:
        return min(context[6] + 1, LATEST)
    of_map = MAP_CONTEXTS.get(context)
    return MAP if of_map is None else MAP_BY_VERSION[of_map.version]


def map_version(version: int) -> int:
    """Return the MAP version that one of these stands for; 0: it is not MAP. `MAP` alone is taken for v3."""
    return _MAP_VERSIONS.get(version, 0)


def version_of_portion(portion: DialoguePortion | None) -> int:
    """Return the version of a dialogue portion's context; 0: it has none, or refuses one."""
    if isinstance(portion, (Aarq, Audt)) or (isinstance(portion, Aare) and portion.result == _ACCEPTED):
        return version_of_context(portion.context)
    return 0


def version_of_begin(octets: bytes) -> int:
    """Return the CAP version that a BEGIN asks for; 0 if it can't be read or asks for something else."""
    return max(0, protocol_of_begin(octets))


def protocol_of_begin(octets: bytes) -> int:
    """Return the version that a BEGIN asks for, of whatever protocol; 0 if it can't be read."""
    try:
        portion = tcap.decode(octets).dialogue
    except DecodeError:
        return 0
    return CAP_V1.version if portion is None else version_of_portion(portion)


def version_by_subsystems(unit: UnitData | UnitDataService) -> int:
    """Return `MAP` if both subsystems of an SCCP message speak nothing else; 0 else."""
    return MAP if {subsystem(unit, called=True), subsystem(unit, called=False)} <= _MAP_SSNS else 0


def subsystem(unit: UnitData | UnitDataService, *, called: bool) -> int:
    """Return the subsystem number of an SCCP message's called or calling address; -1 if it can't be read."""
    try:
        return int(unit.called.ssn if called else unit.calling.ssn)
    except DecodeError:
        return -1
