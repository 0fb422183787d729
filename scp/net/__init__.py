"""Transports: carry M3UA messages and know nothing of what is in them."""
