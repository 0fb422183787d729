"""Reservations, balances, call detail records."""
