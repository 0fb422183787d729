"""MSC (gsmSSF) simulator and load generator."""
