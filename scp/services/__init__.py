"""Service logic: one module a service, chosen by service key."""
