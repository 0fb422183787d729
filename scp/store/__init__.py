"""Subscriber stores."""
