"""The root of the command line: commands are loaded only when they are called, errors shown as one sentence."""

import gc
import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer

from investlab.cli.output import output
from investlab.core.errors import InvalidInput, InvestlabError
from investlab.core.extensions import COMMANDS, extensions, load_extension
from investlab.core.version import platform_version
from investlab.schemas.errors import error_response

# Importing makes hundreds of thousands of objects that stay; looking through them every 2,000 takes a sixth of the time
# until a command begins.
MOST_NEW_OBJECTS = 50_000
INTERRUPTED = 130

HELP = {
    "backtest": "Backtests, sweeps and their records.",
    "config": "Show every setting, its value and where it comes from.",
    "data": "Datasets, instruments and bars.",
    "db": "The database: migrations, checks, backups and copies.",
    "demo": "Ingest the sample data, run the research pipeline and print a summary.",
    "doctor": "Check the ground investlab stands on.",
    "extensions": "Extensions with their source, the home's own files included.",
    "model": "Models, their versions and their champions.",
    "pipeline": "Pipelines of notebooks.",
    "reproduce": "Build a run again and say equal to the bit, or what differs.",
    "trace": "Print what a number stands on, back to the provider.",
}


class CommandGroup(typer.core.TyperGroup):
    """A group whose commands are extensions: each is imported when it is called, none to list them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, ordered."""
        return sorted({extension.name for extension in extensions(COMMANDS)})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a command; None when there is none of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        loaded: Any = load_extension(COMMANDS, cmd_name)
        command = typer.main.get_command(loaded)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands with a line each."""
        rows = [(e.name, HELP.get(e.name, f"Provided by {e.distribution}.")) for e in extensions(COMMANDS)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


app = typer.Typer(
    cls=CommandGroup,
    help="Investment research: data, backtests, pipelines, and where every number comes from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"investlab {platform_version()}")
        raise typer.Exit


@app.callback()
def root(
    as_json: Annotated[bool, typer.Option("--json", help="Print results and errors as JSON.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Investment research: data, backtests, pipelines, and where every number comes from."""
    output.as_json = as_json


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are one sentence on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    given = _json_first(given)
    output.as_json = given[:1] == ["--json"]
    try:
        outcome = app(args=given, standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except InvestlabError as error:
        return _fail(error, given)
    except typer.Exit as error:
        return error.exit_code
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # a group called without a command; typer does not export it
            print(error.format_message())
            return InvalidInput.exit_code
        return _fail(InvalidInput(error.format_message(), remedy="See `investlab --help`."), given)
    except (KeyboardInterrupt, typer.Abort):
        print("Interrupted. What was completed is kept; the same command resumes.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # the last resort: a user never sees a traceback
        logging.getLogger("investlab").debug("unexpected error", exc_info=error)
        surprise = InvestlabError(
            f"Something unexpected happened ({type(error).__name__}).",
            remedy="Run it again with INVESTLAB_LOG_LEVEL=DEBUG and report what it shows.",
        )
        return _fail(surprise, given)


def _json_first(arguments: list[str]) -> list[str]:
    """Return the arguments with `--json`, which may stand behind any command, in the place where the root reads it."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    asked = "--json" in arguments[:end]
    rest = [each for each in arguments[:end] if each != "--json"] + arguments[end:]
    return ["--json", *rest] if asked else rest


def _fail(error: InvestlabError, arguments: Sequence[str]) -> int:
    if output.as_json:
        arguments = [each for each in arguments if each != "--json"]
        response = error_response(
            error, request_id=uuid4().hex, instance=f"/cli/{'/'.join(arguments[:2])}", at=datetime.now(UTC)
        )
        print(response.model_dump_json(indent=2), file=sys.stderr)
    else:
        print(f"Error: {error.sentence}", file=sys.stderr)
    return error.exit_code


def run() -> None:
    """Entry point of the `investlab` command."""
    gc.set_threshold(MOST_NEW_OBJECTS)
    code = main()
    gc.freeze()  # else the interpreter's last collection makes a large process take seconds to end
    raise SystemExit(code)
