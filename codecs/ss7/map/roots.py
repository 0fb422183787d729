"""Which type an argument, a result and an error's parameter have in which MAP version.

The types of MAP v3 are those of TS 29.002 (Rel-16), read with its extension markers; v1 and v2 those of
GSM 09.02, where the identifiers of components differ little and their tags not at all. MAP v1 (phase 1) is
read as v2: what it has less is optional there.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ss7.asn1.declare import Enumerated
from ss7.asn1.schema import BooleanType, EnumeratedType, OctetStringType, Type, describe, read_type
from ss7.asn1.tables import whole
from ss7.map.common import CLAUSE
from ss7.map.errors import PARAMETERS, PARAMETERS_V2
from ss7.map.operations import BY_OPCODE, Opcode

if TYPE_CHECKING:
    from ss7.asn1.node import Node

V3: Final = 3
ROUTING_RESULT_TAG: Final = 3
"""SendRoutingInfoRes of MAP v3 is the only argument or result with a tag of its own: [3]."""
_ADDRESS: Final = OctetStringType(1, 9, "AddressString")


@cache
def argument_type(opcode: int, version: int) -> Type | None:
    """Return the description of an operation's argument; None: that version has no such operation."""
    operation = BY_OPCODE.get(opcode)
    if operation is None or not operation.since <= version <= operation.until:
        return None
    earlier = version < V3 and operation.argument_v2 is not None
    return describe(operation.argument_v2 if earlier else operation.argument, version)


@cache
def result_type(opcode: int, version: int) -> Type | None:
    """Return the description of an operation's result, None if it has none."""
    operation = BY_OPCODE.get(opcode)
    if operation is None or operation.result is None:
        return None
    if version < V3 and operation.result_v2 is bytes:
        return _ADDRESS
    earlier = version < V3 and operation.result_v2 is not None
    return describe(operation.result_v2 if earlier else operation.result, version)


@cache
def error_type(code: int, version: int) -> Type | None:
    """Return the description of an error's parameter, None if it has none."""
    found: Any = (PARAMETERS if version >= V3 else PARAMETERS_V2).get(code)
    if found is None:
        return None
    if found is bool:
        return BooleanType()
    if isinstance(found, type) and issubclass(found, Enumerated):
        return EnumeratedType(found, extensible=False)
    return read_type(found, version)


def result_tag(opcode: int, version: int) -> int:
    """Return the context-specific tag of a result as a whole, -1 for none."""
    return ROUTING_RESULT_TAG if opcode == Opcode.SEND_ROUTING_INFO and version >= V3 else -1


@cache
def argument_root(opcode: int, version: int) -> Node | None:
    """Return the node of an operation's argument, tag and length included."""
    kind = argument_type(opcode, version)
    return None if kind is None else whole(kind, CLAUSE)


@cache
def result_root(opcode: int, version: int) -> Node | None:
    """Return the node of an operation's result, tag and length included."""
    kind = result_type(opcode, version)
    return None if kind is None else whole(kind, CLAUSE, result_tag(opcode, version))


@cache
def error_root(code: int, version: int) -> Node | None:
    """Return the node of an error's parameter, tag and length included."""
    kind = error_type(code, version)
    return None if kind is None else whole(kind, CLAUSE)
