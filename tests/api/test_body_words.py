"""What is wrong with a body is said in plain words, with the path, and with the name that was perhaps meant."""

from __future__ import annotations

from typing import Annotated

import pytest
from msgspec import Meta, Struct

from scp.api.body import decode
from scp.api.problems import ProblemError


class Inner(Struct, forbid_unknown_fields=True):
    begin: str
    seconds: Annotated[int, Meta(ge=1, le=600)] = 30


class Body(Struct, forbid_unknown_fields=True):
    number: Annotated[str, Meta(min_length=1, max_length=5)]
    windows: tuple[Inner, ...] = ()
    on: bool = False
    inner: Inner | None = None
    share: float | None = None


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        ('{"nubmer": "1"}', "nubmer", "there is no such field; did you mean number?"),
        ('{"x": 1}', "x", "there is no such field; there are: number, windows, on, inner, share"),
        (
            '{"number": "1", "windows": [{"start": "1"}]}',
            "windows[0].start",
            "there is no such field; there are: begin, seconds",
        ),
        (
            '{"number": "1", "inner": {"begin": "1", "second": 1}}',
            "inner.second",
            "there is no such field; did you mean seconds?",
        ),
        ('{"number": 1}', "number", "expected text, not a whole number"),
        ('{"number": ""}', "number", "expected at least 1 characters"),
        ('{"number": "123456"}', "number", "expected at most 5 characters"),
        ('{"number": "1", "windows": {}}', "windows", "expected a list, not an object"),
        ('{"number": "1", "on": "yes"}', "on", "expected true or false, not text"),
        ('{"number": "1", "share": "half"}', "share", "expected a number or null, not text"),
        (
            '{"number": "1", "windows": [{"begin": "1", "seconds": 0}]}',
            "windows[0].seconds",
            "expected at least 1",
        ),
        (
            '{"number": "1", "windows": [{"begin": "1", "seconds": 601}]}',
            "windows[0].seconds",
            "expected at most 600",
        ),
        ('{"number": "1", "windows": [{}]}', "windows[0].begin", "required, but not given"),
        ("[]", "body", "expected an object, not a list"),
    ],
)
def test_a_fault_is_said_in_words(body: str, path: str, reason: str) -> None:
    with pytest.raises(ProblemError) as raised:
        decode(body.encode(), Body)
    (fault,) = raised.value.errors
    assert (fault.path, fault.reason) == (path, reason)
