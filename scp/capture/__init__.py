"""Captures: reading, showing, recording and anonymising them."""
