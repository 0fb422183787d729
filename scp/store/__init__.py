"""Subscriber stores: `open_store` turns a URL into one."""

from scp.store.open import open_store

__all__ = ["open_store"]
