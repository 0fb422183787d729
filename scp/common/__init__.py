"""Helpers that know nothing of calls: sockets, rate limits."""
