"""The VoIP service: the call that the node marked reaches the subscriber's phones.

Kamailio (deploy/kamailio/) is the SIP side; this is the brain that it asks. `directory`, `decision` and
`registrations` are pure: no I/O, no clock. `brain` joins them to the messages of `evapi`, `scp_link` talks
to the node by its HTTP API as any other VoIP service would, `process` runs it all.
"""
