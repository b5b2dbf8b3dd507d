"""The datasets in a folder of files: each folder with a `dataset.yaml` or `dataset.toml` is one."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from investlab.core.errors import InvalidInput, InvestlabError, NotFound, StorageUnavailable
from investlab.market.derivation import AdjustmentRule
from investlab.market.panel import SESSIONS_PER_YEAR
from investlab.providers.file_bars import SUFFIXES, DataFile
from investlab.providers.file_layouts import LAYOUTS
from investlab.schemas.catalog import DatasetDescription
from investlab.schemas.files import FileDataset, FileLayout

DESCRIPTIONS = ("dataset.yaml", "dataset.yml", "dataset.toml")
MADE_UP = "synthetic: made up, no price is real"
UNREAD_SUFFIXES = (".md",)


@dataclass(frozen=True, slots=True)
class FoundDataset:
    """A described dataset and the folder that holds it."""

    folder: Path
    described: FileDataset
    adjustment_rule: AdjustmentRule | None

    @property
    def description(self) -> DatasetDescription:
        """Return what is stated about the dataset."""
        told = self.described
        labelled = not told.synthetic or any("synthetic" in bias for bias in told.biases)
        return DatasetDescription(
            name=told.name,
            title=told.title,
            provider="files",
            price_basis=told.price_basis,
            fields=told.fields,
            currency=told.currency,
            calendar=told.calendar,
            source=told.source,
            licence=told.licence,
            biases=told.biases if labelled else (*told.biases, MADE_UP),
            synthetic=told.synthetic,
            lag_seconds=told.lag_seconds,
        )

    def files(self) -> list[DataFile]:
        """Return the dataset's files ordered by name.

        Raises:
            InvalidInput: There is none, or one of them is of no kind that can be read.
        """
        chosen = sorted({path for pattern in self.described.files for path in self.folder.rglob(pattern)})
        found = [DataFile(path, path.relative_to(self.folder).as_posix()) for path in chosen if self._is_meant(path)]
        for file in found:
            if not file.suffix:
                raise InvalidInput(
                    f"{file.name} in dataset {self.described.name!r} is of no kind that can be read.",
                    remedy=f"Use {', '.join(SUFFIXES)}, or choose files by patterns in `files`.",
                )
        if not found:
            raise InvalidInput(
                f"Dataset {self.described.name!r} holds no file like {', '.join(self.described.files)}.",
                remedy="Put its files beside the description.",
            )
        return found

    def _is_meant(self, path: Path) -> bool:
        hidden = any(part.startswith(".") for part in path.relative_to(self.folder).parts)
        return path.is_file() and not hidden and path.name not in DESCRIPTIONS and path.suffix not in UNREAD_SUFFIXES


@dataclass(frozen=True, slots=True)
class FileCatalog:
    """The datasets of a folder by name, and what is wrong with descriptions that cannot be used."""

    datasets: Mapping[str, FoundDataset]
    refused: tuple[InvestlabError, ...]

    def find(self, name: str) -> FoundDataset:
        """Return a dataset by name.

        Raises:
            NotFound: There is none; near matches are named.
            InvalidInput: A description cannot be used, so that the name may be meant by it.
        """
        if name in self.datasets:
            return self.datasets[name]
        if self.refused:
            raise self.refused[0]
        raise NotFound.named("dataset", name, self.datasets, remedy="`investlab data providers` lists them.")


def read_catalog(folder: Path) -> FileCatalog:
    """Return the datasets described in a folder and its own folders; none when it does not exist."""
    found: dict[str, FoundDataset] = {}
    refused: list[InvestlabError] = []
    for path in sorted(path for name in DESCRIPTIONS for path in (*folder.glob(name), *folder.glob(f"*/{name}"))):
        try:
            dataset = read_description(path)
            _require_new(dataset, found)
        except InvestlabError as error:
            refused.append(error)
            continue
        found[dataset.described.name] = dataset
    return FileCatalog(found, tuple(refused))


def _require_new(dataset: FoundDataset, found: Mapping[str, FoundDataset]) -> None:
    name = dataset.described.name
    if name in found:
        raise InvalidInput(
            f"{dataset.folder} and {found[name].folder} both describe dataset {name!r}.",
            remedy="Give each a name of its own and one description.",
        )


def read_description(path: Path) -> FoundDataset:
    """Return the dataset that a description declares.

    Raises:
        InvalidInput: It cannot be used; file and key are named.
        StorageUnavailable: It cannot be read.
    """
    told = _parsed(path)
    layout = str(told.get("layout") or "")
    if layout and layout not in LAYOUTS:
        raise NotFound.named("layout", layout, LAYOUTS, remedy=f"It stands in {path}.")
    base = LAYOUTS[layout] if layout else FileLayout()
    defaults = {name: getattr(base, name) for name in base.model_fields_set}
    try:
        described = FileDataset.model_validate({"name": path.parent.name, **defaults, **told})
    except ValidationError as error:
        raise _refused(path, error) from error
    return FoundDataset(path.parent, described, _checked(path, described))


def _parsed(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        told = tomllib.loads(text) if path.suffix == ".toml" else yaml.load(text, _OneOfEach)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise StorageUnavailable(
            f"{path} cannot be read: {error.strerror}.", remedy="Check its permissions."
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInput(f"{path} cannot be understood: {reason}.", remedy="Correct its YAML or TOML.") from error
    if not isinstance(told, dict):
        raise InvalidInput(f"{path} describes nothing.", remedy="Write keys such as title, source and columns.")
    return told


class _OneOfEach(yaml.SafeLoader):
    """Reads YAML and refuses a key that is given twice, of which the first would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [key.value for key, _ in node.value]
        for place, (key, _) in enumerate(node.value):
            if key.value in keys[:place]:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
        return dict(super().construct_mapping(node, deep=deep))


def _checked(path: Path, described: FileDataset) -> AdjustmentRule | None:
    """Return the adjustment rule, once what only the market knows is checked."""
    if described.calendar not in SESSIONS_PER_YEAR:
        raise NotFound.named("calendar", described.calendar, SESSIONS_PER_YEAR, remedy=f"It stands in {path}.")
    rule = described.adjustment_rule
    if rule is None:
        return None
    if rule not in set(AdjustmentRule) or "adjusted_close" not in described.fields:
        raise InvalidInput(
            f"{path}: actions cannot be derived by the adjustment rule {rule!r}.",
            remedy=f"Use {', '.join(AdjustmentRule)}, and name the column of the adjusted close.",
        )
    return AdjustmentRule(rule)


def _refused(path: Path, error: ValidationError) -> InvalidInput:
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return InvalidInput(
        f"{path}{f', {key}' if key else ''}: {reason}.", remedy="docs/data-files.md says what a description may hold."
    )
