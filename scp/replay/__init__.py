"""Replay of captures through the service or to a live node; comparison, explanation, reports."""
