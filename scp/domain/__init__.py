"""The steering decision and its vocabulary: numbers, subscriber record, decision. No protocol, no I/O."""
