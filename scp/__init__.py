"""camel-scp: a CAMEL service control point."""
