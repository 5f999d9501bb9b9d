"""``python -m soundcheck`` is the command."""

from soundcheck.cli import main

main()
