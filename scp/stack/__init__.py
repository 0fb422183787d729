"""State machines without I/O: M3UA, SCCP, TCAP. Octets or events and `now` go in, effects come out."""
