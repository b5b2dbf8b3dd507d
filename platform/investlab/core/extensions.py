"""Extension points: named plug-ins found through entry points, loaded only when asked for."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from investlab.core.errors import Conflict, NotFound

PROVIDERS = "investlab.providers"
STRATEGIES = "investlab.strategies"
RENDERERS = "investlab.renderers"
EXECUTORS = "investlab.executors"
COMMANDS = "investlab.commands"
LEARNERS = "investlab.learners"
PREDICTORS = "investlab.predictors"
SERVERS = "investlab.servers"
SOURCES = "investlab.sources"
GROUPS = (PROVIDERS, STRATEGIES, RENDERERS, EXECUTORS, COMMANDS, LEARNERS, PREDICTORS, SERVERS, SOURCES)

_KINDS = {
    PROVIDERS: "provider",
    STRATEGIES: "strategy",
    RENDERERS: "renderer",
    EXECUTORS: "executor",
    COMMANDS: "command",
    LEARNERS: "learner",
    PREDICTORS: "artifact format",
    SERVERS: "server",
    SOURCES: "source",
}


@dataclass(frozen=True, slots=True)
class Extension:
    """One plug-in as declared by a distribution."""

    group: str
    name: str
    target: str
    distribution: str


def _declared(group: str) -> list[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda point: (point.name, point.value))


def extensions(group: str) -> list[Extension]:
    """List the plug-ins of a group ordered by name; nothing is imported."""
    return [Extension(group, p.name, p.value, p.dist.name if p.dist else "?") for p in _declared(group)]


def load_extension(group: str, name: str) -> object:
    """Import and return the plug-in `name` of `group`.

    Raises:
        NotFound: No distribution declares that name; near matches are named.
        Conflict: Two distributions declare the same name with different targets.
    """
    points = _declared(group)
    found = {point.value: point for point in points if point.name == name}
    kind = _KINDS.get(group, group)
    if not found:
        raise NotFound.named(kind, name, (point.name for point in points))
    if len(found) > 1:
        raise Conflict(
            f"The {kind} name {name!r} is declared twice: {' and '.join(sorted(found))}.",
            remedy="Uninstall one of the packages or rename its entry point.",
        )
    loaded: object = next(iter(found.values())).load()
    return loaded
