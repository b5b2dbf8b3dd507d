"""The command `config`: every setting with its source."""

import typer

from investlab.cli.output import STYLE, show
from investlab.core.config import describe_settings, load_settings

config = typer.Typer(**STYLE)


@config.command()
def show_config() -> None:
    """Show every setting, its value and where it comes from; secrets are masked."""
    lines = describe_settings(load_settings())
    show([{"setting": x.variable, "value": x.value, "from": x.source, "meaning": x.description} for x in lines])
