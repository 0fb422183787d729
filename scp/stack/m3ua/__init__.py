"""M3UA's procedures (RFC 4666 §4): the ASP's side (`asp`), the gateway's (`sgp`), tables and no I/O."""
