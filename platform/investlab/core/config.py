"""Settings: every one has a default, an `INVESTLAB_*` variable, and a known source."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from investlab.core.errors import InvalidSettings

PREFIX = "INVESTLAB_"

ExecutorChoice = Literal["auto", "serial", "threads", "ray"]


class Settings(BaseModel):
    """The platform's settings; each field `x` is read from `INVESTLAB_X`."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    home: Path = Field(Path("var"), description="Folder that holds everything investlab writes.")
    notebooks: Path = Field(
        Path("notebooks"), description="Folder of the notebooks; its pipelines/ holds the pipelines."
    )
    files: Path | None = Field(
        None, description="Folder of the data files that provider files offers; default is files in the home folder."
    )
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the database; default is SQLite in the home folder."
    )
    executor: ExecutorChoice | None = Field(
        None, description="auto, serial, threads or ray; when set it overrides every argument and pipeline file."
    )
    ray_address: str | None = Field(None, description="Address of a running Ray head; default starts a local one.")
    ray_workers: int = Field(2, ge=1, description="Workers of a local Ray head.")
    lock_timeout_seconds: float = Field(10.0, ge=0, description="How long to wait for another writer of a dataset.")
    cell_timeout_seconds: int = Field(600, ge=1, description="Longest time that one notebook cell may take.")
    notebook_timeout_seconds: int = Field(3600, ge=1, description="Longest time that one notebook may take.")
    panel_cache_mib: int = Field(2048, ge=16, description="Size budget of the panel cache.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("WARNING", description="Least severe level logged.")
    log_format: Literal["text", "json"] = Field("text", description="Form of log lines on standard error.")
    token: SecretStr | None = Field(
        None, min_length=16, description="Access token of gateway and dashboards; default is a new one at each start."
    )
    host: str = Field("127.0.0.1", description="Address that gateway and dashboards listen on; this machine only.")
    gateway_port: int | None = Field(
        None, ge=0, le=65535, description="Port of the gateway; default is 8420, or a free one when that is taken."
    )
    dashboards_port: int | None = Field(
        None, ge=0, le=65535, description="Port of the dashboards; default is 8421, or a free one when that is taken."
    )
    gateway_url: str | None = Field(None, description="Where pages reach the gateway; set by `investlab up`.")
    origins: str = Field("", description="Comma-separated origins whose pages may open the stream; set by `up`.")
    bentos: Path = Field(Path("bentos"), description="Folder of the BentoML services.")
    dashboards: Path = Field(Path("dashboards"), description="Folder of the dashboard pages.")
    model: str = Field("us-ranker", description="The model that is served and followed by the paper portfolio.")
    max_body_mib: int = Field(2, ge=1, le=64, description="Longest request body; longer ones are refused with 413.")
    replay_sessions_per_minute: float = Field(30.0, gt=0, le=6000, description="Speed of the replay clock.")
    replay_from: date = Field(date(2022, 1, 1), description="The replay walks through the sessions from here on.")
    alpaca_key: SecretStr | None = Field(None, description="Key id of Alpaca's market data, for provider alpaca.")
    alpaca_secret: SecretStr | None = Field(None, description="Secret key that belongs to the Alpaca key id.")
    alpaca_data_url: str = Field(
        "https://data.alpaca.markets", description="Where provider alpaca reads bars and corporate actions."
    )
    alpaca_trading_url: str = Field(
        "https://paper-api.alpaca.markets", description="Where provider alpaca reads the list of instruments."
    )
    pipeline_step: str | None = Field(None, description="Set by the pipeline runner: the step that is running.")

    @property
    def home_path(self) -> Path:
        """Return the home folder as an absolute path."""
        return self.home.expanduser().absolute()

    @property
    def pipelines_path(self) -> Path:
        """Return the folder of the pipeline files as an absolute path."""
        return self.notebooks.expanduser().absolute() / "pipelines"

    @property
    def files_path(self) -> Path:
        """Return the folder of provider `files` as an absolute path."""
        return self.home_path / "files" if self.files is None else self.files.expanduser().absolute()

    @property
    def stated_origins(self) -> frozenset[str]:
        """Return the origins in lower case, without a slash at the end."""
        return frozenset(filter(None, (origin.strip().rstrip("/").lower() for origin in self.origins.split(","))))

    @property
    def sqlalchemy_url(self) -> str:
        """Return the database URL with its secrets; never print it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home_path / 'investlab.db'}"


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting as `investlab config` prints it; secrets are masked."""

    name: str
    variable: str
    value: str
    source: str
    description: str


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment.

    Raises:
        InvalidSettings: A value cannot be used. Variables that are no setting are ignored; `unknown_variables` lists
            them.
    """
    given = _given(os.environ if environment is None else environment)
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0])
        raise InvalidSettings(
            f"The setting {PREFIX}{name.upper()} cannot be used: {first['msg']}.",
            remedy="`investlab config` lists every setting with its meaning.",
        ) from error


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """List `INVESTLAB_*` variables that no setting reads, ordered; each is likely misspelt."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    given = os.environ if environment is None else environment
    return sorted(name for name in given if name.startswith(PREFIX) and name not in known)


def describe_settings(settings: Settings, environment: Mapping[str, str] | None = None) -> list[SettingLine]:
    """List every setting in declaration order with its value, masked when secret, and where it came from."""
    given = _given(os.environ if environment is None else environment)
    lines = []
    for name, info in Settings.model_fields.items():
        value = getattr(settings, name)
        lines.append(
            SettingLine(
                name,
                f"{PREFIX}{name.upper()}",
                "" if value is None else str(value),
                "environment" if name in given else "default",
                info.description or "",
            )
        )
    return lines


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    names = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}
    return {names[key]: value for key, value in environment.items() if key in names and value != ""}
