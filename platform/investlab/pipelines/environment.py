"""The environment of a notebook's kernel: named variables only, so that no secret travels by accident."""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from investlab.core.config import PREFIX, ExecutorChoice, Settings

_PASSED = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TMPDIR|TZ|VIRTUAL_ENV|LD_LIBRARY_PATH"
    r"|(PYTHON|INVESTLAB_|RAY_|NUMBA_|OPENBLAS_|OMP_)\w*"
)
_SECRET = re.compile(r"\w*_(TOKEN|TOKEN_PATH|SECRET|PASSWORD|KEY)(_\w+)?")
_FOLDERS = {
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "jupyter/config",
    "JUPYTER_DATA_DIR": "jupyter/data",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
    "MPLCONFIGDIR": "cache/matplotlib",
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "cache/config",
    "XDG_DATA_HOME": "cache/data",
}


def passed_environment(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a child process may know: allow-listed variables without secrets, and the settings in force.

    The database's URL is a setting and may hold a password: a notebook that may read the database needs it. The access
    token of gateway and dashboards is kept back.
    """
    kept = {n: value for n, value in environment.items() if _PASSED.fullmatch(n) and not _SECRET.fullmatch(n)}
    for name in settings.model_fields_set - {"token"}:
        value = getattr(settings, name)
        if value is not None:
            shown = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            kept[f"{PREFIX}{name.upper()}"] = shown
    return {**kept, f"{PREFIX}HOME": str(settings.home_path)}


def kernel_environment(
    passed: Mapping[str, str], home: Path, *, step_id: str, executor: ExecutorChoice, ray: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of one step's kernel; everything that Jupyter and IPython write goes into `home`.

    `ray` holds the address and token of a head when the step uses one.
    """
    folders = {name: str(home / folder) for name, folder in _FOLDERS.items()}
    chosen = {} if executor == "auto" else {f"{PREFIX}EXECUTOR": executor}
    step = {f"{PREFIX}PIPELINE_STEP": step_id}
    return {**passed, **folders, **chosen, **step, **ray}
