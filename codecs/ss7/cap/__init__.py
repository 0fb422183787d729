"""CAP (TS 29.078): operations, arguments, errors, application contexts."""
