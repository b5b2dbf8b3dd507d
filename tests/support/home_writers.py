"""A process that keeps writing into a home until it is ended: corrections of bars, predictions, compactions.

    python -m tests.support.home_writers <home>

It prints the number of each round that was acknowledged.
"""

import itertools
import sys

import pytest

from investlab.services import maintenance
from investlab.services.workspace import open_workspace, silent_progress
from tests.support.homes import correct
from tests.support.predictions import prediction
from tests.support.workspaces import DATASET, make_prices


def main(home: str) -> None:
    """Write until this process is ended."""
    bars = make_prices(("AAA", "BBB"), "2020-01-02", "2020-06-30")
    workspace = open_workspace(home, progress=silent_progress)
    spool = workspace.context.predictions.spool()
    with pytest.MonkeyPatch.context() as patched:
        for number in itertools.count(10):
            correct(patched, workspace, bars, number)
            spool.append(prediction(number))
            if number % 3 == 0:
                workspace.context.predictions.compact()
            if number % 5 == 0:
                maintenance.compact(workspace.context, DATASET)
                maintenance.vacuum(workspace.context, DATASET)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
