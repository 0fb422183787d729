"""The application: a node wired from its configuration, the process that runs it, and the demo."""
