"""`python -m flyteasync` is the `flyteasync` command."""

from .cli import main

main()
