"""``python -m chainrule``: the command line."""

from .cli.main import main

main()
