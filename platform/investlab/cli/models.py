"""Commands about models: list, show, promote, roll back, export and audit their versions."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from investlab.cli.output import STYLE, say, show
from investlab.core.errors import InvalidInput, NotFound
from investlab.schemas.registry import Alias, ModelVersionInfo, PromotionReceipt
from investlab.services import registry
from investlab.services.context import Context
from investlab.services.exporting import export_model
from investlab.services.workspace import open_workspace

app = typer.Typer(help="Models, their versions and their champions.", no_args_is_help=True, **STYLE)

NAME = re.compile(r"(?P<model>[^@]+)(@(?P<number>\d+|champion|challenger))?")
Named = Annotated[str, typer.Argument(help="A version such as us-ranker@2 or us-ranker@challenger.")]
Maybe = Annotated[str, typer.Argument(help="A model, which means its champion, or a version such as us-ranker@2.")]
Model = Annotated[str, typer.Argument(help="Name of the model, such as us-ranker.")]


@app.command("list")
def list_versions(model: Annotated[str | None, typer.Argument(help="Only this model.")] = None) -> None:
    """List the versions of every model."""
    found = registry.versions(open_workspace().context, model)
    if model is not None and not found:
        raise NotFound(f"There is no model {model!r}.", remedy="`investlab model list` shows every model.")
    show([_summary(version) for version in found])


@app.command("show")
def show_version(name: Maybe) -> None:
    """Show what a version is, how it did out of sample and what it stands on."""
    version = _version(open_workspace().context, name)
    lineage = version.lineage
    facts = {
        "id": version.version_id,
        "horizon": f"{version.signature.horizon_sessions} sessions",
        "features": ", ".join(version.signature.features),
        "format": str(version.artifact_format),
        "artifact": version.artifact_sha256,
        "content hash": version.content_hash,
        "as of": "latest" if lineage.as_of is None else lineage.as_of.isoformat(),
        "panel": lineage.panel_id,
        "symbols": ", ".join(lineage.symbols),
        "pipeline step": lineage.pipeline_step,
        "code": f"{lineage.platform_version}, {lineage.code_identity[:16]}",
    }
    show([{**_summary(version), **facts}])


@app.command()
def promote(
    name: Named,
    force: Annotated[bool, typer.Option("--force", help="Overrule the promotion rule; the event says so.")] = False,
) -> None:
    """Make a version champion if the promotion rule allows it."""
    context = open_workspace().context
    version = _version(context, name)
    receipt = registry.promote(context, version.model, version.number, actor=context.owner, force=force)
    show([_moved(receipt)])
    say(receipt.decision.reason if receipt.decision else f"{version.label} was champion already.")


@app.command()
def rollback(model: Model) -> None:
    """Make the champion before the present one champion again."""
    context = open_workspace().context
    show([_moved(registry.rollback(context, model, actor=context.owner))])


@app.command()
def audit() -> None:
    """Compare versions, aliases and artifacts with the chain of events; exit 1 at the first difference."""
    report = registry.audit(open_workspace().context)
    verdict = "everything agrees" if report.intact else report.fault
    counted = {"events": report.events, "versions": report.versions, "artifacts": report.artifacts}
    show([{"verdict": verdict, **counted, "head": report.head}])
    if not report.intact:
        raise typer.Exit(1)


@app.command()
def export(name: Maybe, to: Annotated[Path, typer.Option(help="Folder that the bento is written into.")]) -> None:
    """Export a version as a bento that carries model, service and package."""
    context = open_workspace().context
    version = _version(context, name)
    receipt = export_model(context, version.model, to, number=version.number)
    show([{key.replace("_", " "): str(value) for key, value in receipt.model_dump().items()}])


def _version(context: Context, name: str) -> ModelVersionInfo:
    """Return the version that `name`, `name@2` or `name@alias` means.

    Raises:
        InvalidInput: The text is no name.
        NotFound: There is no such model or version, or the alias names none.
    """
    parts = NAME.fullmatch(name)
    if parts is None:
        raise InvalidInput(f"{name!r} names no model version.", remedy="Write it as us-ranker@2 or us-ranker@champion.")
    model, wanted = parts["model"], parts["number"] or Alias.CHAMPION
    if wanted.isdecimal():
        return registry.version(context, model, int(wanted))
    for version in registry.versions(context, model):
        if wanted in version.aliases:
            return version
    registry.version(context, model, 1)
    raise NotFound(f"{model} has no {wanted}.", remedy=f"`investlab model list {model}` shows its versions.")


def _summary(version: ModelVersionInfo) -> dict[str, Any]:
    card, lineage = version.scorecard, version.lineage
    return {
        "version": version.label,
        "alias": ", ".join(version.aliases),
        "learner": version.learner,
        "IC": card.information_coefficient,
        "interval": f"{card.interval_low:.3f} to {card.interval_high:.3f}",
        "sessions": card.observations,
        "from": card.first_session,
        "to": card.last_session,
        "data": f"{lineage.dataset}@{lineage.dataset_version}",
        "training run": lineage.training_run,
        "registered": f"{version.created_at:%Y-%m-%d %H:%M} UTC",
    }


def _moved(receipt: PromotionReceipt) -> dict[str, Any]:
    return {
        "model": receipt.model,
        "champion": receipt.champion,
        "previous": receipt.previous,
        "challenger": receipt.challenger,
        "event": receipt.event_hash,
    }
