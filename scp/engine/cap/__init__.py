"""The TC-user for CAP: a gsmSCF for call control (TS 29.078)."""
