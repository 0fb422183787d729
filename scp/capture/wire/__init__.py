"""From the octets of a capture file to SIGTRAN messages. No I/O, no scapy; mypyc compiles it."""
