"""Replay of captures through the service or to a live node, and what came of it."""
