"""A served node for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_node import Served
from api_node import served as serve

from scp.client import Client


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The API of a node of the test's own."""
    with serve(tmp_path) as node:
        yield node


@pytest.fixture
def operator(served: Served) -> Iterator[Client]:
    """A client that may do everything."""
    with served.client() as client:
        yield client


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One node for all tests of a module that change nothing."""
    with serve(tmp_path_factory.mktemp("api")) as node:
        yield node
