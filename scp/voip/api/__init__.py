"""The VoIP service's HTTP API: for clients on devices, for the operator, for gateways."""
