"""Servers of an online charging system, that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from diameter.message import Avp
from ocs import Books, Ocs


@pytest.fixture
def start() -> Iterator[Callable[..., Ocs]]:
    started: list[Ocs] = []

    def up(books: Books | None = None, name: str = "ocs1", *more: Avp) -> Ocs:
        ocs = Ocs(books, name)
        ocs.more.extend(more)
        started.append(ocs.up())
        return ocs

    yield up
    for each in started:
        each.down()
