"""A configuration as the settings of SCCP and TCAP, and the codecs that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scp.stack.sccp_settings import SccpSettings, Translation
from scp.stack.tcap import TcapSettings
from ss7.cap.codec import ALONE
from ss7.cap.contexts import CALL_CONTROL
from ss7.pointcode import parse_point_code
from ss7.sccp import GlobalTitle

if TYPE_CHECKING:
    from random import Random

    from scp.config import Config
    from ss7.cap.codec import Codec
    from ss7.tcap import TcapCodec


def codecs(name: str) -> tuple[Codec, TcapCodec | None]:
    """Return the CAP codec and the TCAP codec (None: the machine's own) for ``engine.codec``."""
    if name == "fast":
        return ALONE, None
    from ss7 import reference, reference_tcap  # noqa: PLC0415 - half a second that only the reference codec costs

    return reference.REFERENCE, reference_tcap.REFERENCE_TCAP


def sccp_settings(config: Config) -> SccpSettings:
    """Return SCCP's settings; an allowed caller with a dash is a point code, any other a prefix."""
    sccp = config.sccp
    return SccpSettings(
        point_codes=(config.node.point_code, *config.node.also),
        ssn=sccp.ssn,
        global_title=None if sccp.global_title is None else GlobalTitle(sccp.global_title),
        allowed_prefixes=tuple(caller for caller in sccp.allowed_callers if "-" not in caller),
        allowed_point_codes=tuple(parse_point_code(each) for each in sccp.allowed_callers if "-" in each),
        translations=tuple(
            Translation(each.prefix, tuple(each.point_codes), each.mode == "loadshare")
            for each in sccp.translations
        ),
        return_on_error=sccp.return_on_error,
        concerned=tuple(sccp.concerned),
        t_reassembly=sccp.reassembly_s,
    )


def tcap_settings(config: Config, random: Random) -> TcapSettings:
    """Return TCAP's settings: call control contexts only, transaction ids that start at random."""
    return TcapSettings(
        instance=config.node.instance,
        first_id=random.randrange(1 << 24),
        max_dialogues=config.engine.max_dialogues,
        contexts=CALL_CONTROL,
        idle_limit=config.engine.dialogue_limit_s,
    )
