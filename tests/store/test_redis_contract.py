"""The store's contract, on each of the three set-ups and with the cache."""

from __future__ import annotations

import pytest
from contract import NewStore, StoreContract

from oracles.redis_lab import Lab
from scp.store import open_store


class TestSingle(StoreContract):
    ordered = False

    @pytest.fixture
    def new_store(self, single: Lab, fresh: str) -> NewStore:
        return lambda: open_store(f"{single.url}?{fresh}")


class TestCached(StoreContract):
    ordered = False

    @pytest.fixture
    def new_store(self, single: Lab, fresh: str) -> NewStore:
        return lambda: open_store(f"{single.url}?{fresh}&cached=true")


class TestSentinel(StoreContract):
    ordered = False

    @pytest.fixture
    def new_store(self, sentinel: Lab, fresh: str) -> NewStore:
        return lambda: open_store(f"{sentinel.url}?{fresh}")


class TestCluster(StoreContract):
    ordered = False

    @pytest.fixture
    def new_store(self, cluster: Lab, fresh: str) -> NewStore:
        return lambda: open_store(f"{cluster.url}?{fresh}")
