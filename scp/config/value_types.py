"""Types of single values that several tables share: names, numbers, addresses, with their ranges."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

Name: TypeAlias = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z", description="1 to 64 letters, digits, '.', '_' and '-'")
]
Port: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
UInt32: TypeAlias = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0.01, le=3600, description="seconds, from 0.01 to 3600")]
Address: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9A-Za-z:.%_-]{1,255}\Z", description="an IP address or a host name")
]
GlobalTitle: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9]{1,15}\Z", description="1 to 15 digits (E.164, without +)")
]
Caller: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]{1,15}|[0-7]-[0-9]{1,3}-[0-7])\Z",
        description="the first digits of a global title, or a point code as zone-area-point",
    ),
]
