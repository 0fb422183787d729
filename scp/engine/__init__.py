"""Joins stack, services and store: deadlines, admission, dialogues, traces."""
