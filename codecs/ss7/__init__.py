"""Codecs of SS7 and SIGTRAN: octets to values and back. No I/O, no clock, no state."""
