"""Metrics catalogue, logging, call trace."""
