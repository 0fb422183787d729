"""``python -m scp.cli``."""

from scp.cli import main

main()
