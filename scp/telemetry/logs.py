"""JSON lines on stdout, one object a line, with subscribers' numbers masked and secrets left out.

What other libraries say through `logging` (asyncio's unretrieved exceptions, uvicorn) goes the same way, from
warnings on: at info uvicorn tells its own life under the name "uvicorn.error", and httpx every request.
"""

from __future__ import annotations

import logging
import re
import sys
from math import inf
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import structlog

from scp.domain.reason import FAILURES
from scp.telemetry.nonblocking_log import NonblockingStream

if TYPE_CHECKING:
    from typing import TextIO

    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

    from scp.domain.decision import Decision

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
SHOWN_DIGITS: Final = 4
"""Digits of a number that masking leaves: country code and network, as a rule."""

SHOWN: Final = "_shown"
"""A field that is not written: digits at the end of numbers that this line may show."""

_NUMBER: Final = re.compile(r"[0-9]{7,}")
_U32: Final = "[0-9]{1,10}(?![0-9])"
# Or what is digits and nobody's number: a reservation's id (`scp.domain.reservation.reservation_id`:
# hexadecimal, every third has such a run), of the VoIP service those of enrolments, devices, texts and calls
# (NAME-TIME-COUNT), and M3UA's fields of 32 bits with their names.
_VOIP_CALL: Final = "[a-z][a-z0-9]{0,15}(?:-[a-z0-9]{1,6}){0,3}-[67][0-9a-f]{7}-[0-9a-f]{1,8}"
_NUMBER_OR_OTHER: Final = re.compile(
    rf"\b[0-9a-f]{{32}}\b|\b(?:enr|sip)-[0-9a-f]{{20}}\b|\bd-[0-9a-f]{{16}}\b|\b{_VOIP_CALL}\b"
    rf"|message length {_U32}(?: of {_U32})?"
    rf"|(?:network appearance|routing contexts?) {_U32}(?:, {_U32})*|[0-9]{{7,}}"
)
# Values that are digits or hexadecimal without being anybody's number.
_IDS: Final = frozenset({"otid", "dtid"})
# "others" are nodes that are alike, with the process ids by which somebody has to find them.
_NOT_NUMBERS: Final = _IDS | {"timestamp", "level", "logger", "dialogue", "octets", "others"}
_OCTETS: Final = re.compile(r"(?:[0-9a-f]{2}){4,}")
_NO_OCTETS: Final = _IDS | {"digits"}  # hexadecimal by chance
_SECRET: Final = re.compile(r"token|secret|password|passwd|authorization$|sha256|api_?key", re.IGNORECASE)


def mask(text: str, shown: str = "") -> str:
    """Return ``text`` with every run of seven or more digits cut to its first four, the rest made ``x``.

    ``46701234567`` becomes ``4670xxxxxxx``; shorter runs (short codes, point codes, ports) are left. So
    is what ends with the digits ``shown``: the one number that its trace may show, in whatever form, and what
    is nobody's number: a reservation's id, a message length, a routing context, a network appearance.
    """

    def masked(found: re.Match[str]) -> str:
        digits = found[0]
        if not digits.isdigit() or (shown and digits.endswith(shown)):
            return digits
        return digits[:SHOWN_DIGITS] + "x" * (len(digits) - SHOWN_DIGITS)

    return _NUMBER_OR_OTHER.sub(masked, text) if _NUMBER.search(text) else text


def cut_octets(value: Any) -> Any:
    """Return a decoded message with octets in hex cut after the second: what is not decoded may be a number.

    Four and more are cut, since they have room for one. Transaction ids stay, and digits, which `mask` knows.
    """
    if isinstance(value, dict):
        return {key: one if key in _NO_OCTETS else cut_octets(one) for key, one in value.items()}
    if isinstance(value, list):
        return [cut_octets(one) for one in value]
    if isinstance(value, str) and _OCTETS.fullmatch(value):
        return f"{value[:SHOWN_DIGITS]}… ({len(value) // 2} octets)"
    return value


def mask_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask the numbers in every value, nested ones as well; a structlog processor."""
    shown = str(event.pop(SHOWN, ""))
    for key, value in event.items():
        if key not in _NOT_NUMBERS:
            event[key] = _deep_masked(value, shown)
    return event


def _deep_masked(value: Any, shown: str) -> Any:
    if isinstance(value, str):
        return mask(str(value), shown)
    if isinstance(value, dict):
        return {key: one if key in _IDS else _deep_masked(one, shown) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_deep_masked(one, shown) for one in value]
    if isinstance(value, (int, float, type(None))):
        return value
    return mask(str(value), shown)


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the value of every field that is named like a secret; a structlog processor."""
    for key in event:
        if _SECRET.search(key):
            event[key] = "***"
    return event


def _as_json(event: EventDict, **_options: Any) -> str:
    return _encode(event).decode()


_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


def processors(*, mask_numbers: bool) -> list[Processor]:
    """Return what every event passes before it becomes JSON."""
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    return [*chain, mask_event] if mask_numbers else chain


def configure(level: str = "info", *, mask_numbers: bool = True, stream: TextIO | None = None) -> None:
    """Set logging up for the process; call it again to change it (at a reload).

    Args:
        level: one of `LEVELS`; what is below costs a method call that does nothing.
        mask_numbers: see `mask`.
        stream: stdout by default. What it does not take at once is lost and counted, see `lines_lost`.
    """
    out = _steady(stream if stream is not None else sys.stdout)
    chain = processors(mask_numbers=mask_numbers)
    render: Processor = structlog.processors.JSONRenderer(serializer=_as_json)
    structlog.configure(
        processors=[*chain, render],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *chain],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(LEVELS[level], logging.WARNING))


_streams: Final[list[NonblockingStream]] = []


def _steady(stream: TextIO) -> TextIO:
    """Return a stream's steady one: the same again, so that it goes on counting when a reload configures."""
    for known in _streams:
        if known.stream is stream:
            return cast("TextIO", known)
    _streams[:] = [NonblockingStream(stream)]
    return cast("TextIO", _streams[0])


def lines_lost() -> int:
    """Return how many lines the log's stream has not taken: nobody read them, or the disk was full."""
    return sum(each.lost for each in _streams)


def get_logger(**fields: Any) -> FilteringBoundLogger:
    """Return a logger with ``fields`` on each line; bound at once, so that a disabled level is cheap."""
    logger: FilteringBoundLogger = structlog.get_logger().bind(**fields)
    return logger


def get_tracer(**fields: Any) -> FilteringBoundLogger:
    """Return a logger whose lines are written whatever the level: somebody asked for them by name."""
    every = structlog.make_filtering_bound_logger(logging.DEBUG)
    logger: FilteringBoundLogger = structlog.wrap_logger(None, wrapper_class=every).bind(**fields)
    return logger


def log_call(
    logger: FilteringBoundLogger,
    *,
    service: str,
    decision: Decision,
    a_number: str,
    b_number: str,
    seconds: float,
    peer: str = "",
    dialogue: str = "",
    **more: Any,
) -> None:
    """Write the one line of a call: who called whom, what was said, why, and how fast.

    At level info; of a call that failed (`scp.domain.reason.FAILURES`) at level warning.

    Args:
        logger: from `get_logger`.
        service: its name, "none" if there was none for the service key.
        decision: what was answered.
        a_number: calling number, E.164 digits; "" if not known.
        b_number: called number as it came.
        seconds: from the InitialDP to the answer.
        peer: the M3UA peer that the request came from.
        dialogue: the transaction id, hexadecimal.
        more: further fields.
    """
    write = logger.warning if decision.reason in FAILURES else logger.info
    write(
        "call",
        service=service,
        action=decision.action,
        reason=decision.reason,
        a_number=a_number,
        b_number=b_number,
        number=decision.number,
        microseconds=round(seconds * 1e6),
        peer=peer,
        dialogue=dialogue,
        **more,
    )


def calls_a_second(level: str, rate: float) -> float | None:
    """Return how many calls a second that did not fail are lines at ``level``; None: not even those that did.

    Args:
        level: one of `LEVELS`; "debug" has every call, "warning" those that failed.
        rate: what the operator wants at "info".
    """
    rates = {"debug": inf, "info": rate, "warning": 0.0}
    return rates.get(level)
