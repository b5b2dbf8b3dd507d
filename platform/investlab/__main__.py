"""`python -m investlab` is the `investlab` command."""

from investlab.cli.app import run

run()
