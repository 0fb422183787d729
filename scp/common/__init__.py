"""Small helpers that know nothing of calls: sockets, rate limits of reports."""
