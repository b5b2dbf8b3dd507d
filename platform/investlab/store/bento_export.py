"""Models and services as BentoML keeps them: run in a process of its own, whose BENTOML_HOME is the one to fill.

Run as `python -m investlab.store.bento_export PLAN.json`; the last line printed is the built bento as JSON. A process
of its own, because BentoML reads its home once, changes the working directory and holds one service.
"""

import logging
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import bentoml

from investlab.schemas.exports import BentoPlan, BuiltBento

TAG_FILE = "model.tag"
"""Beside the service in a built bento: which model of BentoML's store it carries."""

REQUIREMENTS_FILE = "requirements.txt"
SERVICE_NAME = "ranker"


def build_bento(plan: BentoPlan) -> BuiltBento:
    """Put the model into BentoML's store, build the bento around it, and export both to the plan's target folder."""
    model_tag = store_model(plan)
    context = plan.workspace / "source"
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    for path in (*plan.service_files, *plan.wheels):
        shutil.copy(path, context)
    (context / TAG_FILE).write_text(f"{model_tag}\n", encoding="utf-8")
    (context / REQUIREMENTS_FILE).write_text("\n".join(plan.requirements) + "\n", encoding="utf-8")
    os.chdir(context)  # BentoML takes wheels from below the working directory only
    with suppress(bentoml.exceptions.NotFound):
        bentoml.bentos.delete(f"{SERVICE_NAME}:{plan.version}")
    bento = bentoml.bentos.build(
        plan.service,
        name=SERVICE_NAME,
        version=plan.version,
        labels=plan.labels,
        description=plan.description,
        include=["*.py", TAG_FILE],
        models=[model_tag],
        python={
            "requirements_txt": REQUIREMENTS_FILE,
            "wheels": [path.name for path in plan.wheels],
            "lock_packages": False,
        },
        build_ctx=str(context),
    )
    bentoml.bentos.export_bento(bento.tag, str(plan.target), "folder")
    return BuiltBento(tag=str(bento.tag), model_tag=model_tag, folder=plan.target)


def store_model(plan: BentoPlan) -> str:
    """Put a model's files into BentoML's store and return its tag; doing it again does nothing."""
    tag = f"{plan.model}:{plan.version}"
    try:
        return str(bentoml.models.get(tag).tag)
    except bentoml.exceptions.NotFound:
        with bentoml.models.create(tag, labels=plan.labels) as model:
            for path in plan.model_files:
                shutil.copy(path, Path(model.path) / path.name)
        return str(model.tag)


if __name__ == "__main__":
    logging.getLogger("bentoml").setLevel(logging.ERROR)
    sys.stdout.write(
        build_bento(BentoPlan.model_validate_json(Path(sys.argv[1]).read_bytes())).model_dump_json() + "\n"
    )
