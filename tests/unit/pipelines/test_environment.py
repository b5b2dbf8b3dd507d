"""A kernel's environment holds what is listed, and no secret."""

from pathlib import Path

from pydantic import SecretStr

from investlab.core.config import Settings
from investlab.pipelines.environment import kernel_environment, passed_environment

OUTSIDE = {
    "PATH": "/bin",
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": "platform",
    "OMP_NUM_THREADS": "1",
    "INVESTLAB_LOG_LEVEL": "INFO",
    "INVESTLAB_TOKEN": "secret-1",
    "INVESTLAB_VENDOR_API_KEY": "secret-2",
    "RAY_AUTH_TOKEN": "secret-3",
    "RAY_AUTH_TOKEN_PATH": "secret-4",
    "AWS_SECRET_ACCESS_KEY": "secret-5",
    "DATABASE_PASSWORD": "secret-6",
    "SSH_AUTH_SOCK": "secret-7",
    "PGPASSWORD": "secret-8",
}


def test_only_listed_variables_pass_and_no_secret(tmp_path: Path) -> None:
    passed = passed_environment(Settings(home=tmp_path), OUTSIDE)
    assert passed == {
        "PATH": "/bin",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": "platform",
        "OMP_NUM_THREADS": "1",
        "INVESTLAB_LOG_LEVEL": "INFO",
        "INVESTLAB_HOME": str(tmp_path),
    }


def test_settings_in_force_pass_with_an_absolute_home() -> None:
    settings = Settings(
        home=Path("var"),
        database_url=SecretStr("sqlite:///x.db"),
        cell_timeout_seconds=9,
        token=SecretStr("kept back from notebooks"),
    )
    passed = passed_environment(settings, {})
    assert passed == {
        "INVESTLAB_HOME": str(Path("var").absolute()),
        "INVESTLAB_DATABASE_URL": "sqlite:///x.db",
        "INVESTLAB_CELL_TIMEOUT_SECONDS": "9",
    }


def test_a_step_gets_its_id_its_executor_and_its_folders(tmp_path: Path) -> None:
    ray = {"RAY_AUTH_TOKEN": "t"}
    found = kernel_environment({"PATH": "/bin"}, tmp_path, step_id="s1", executor="ray", ray=ray)
    assert found["INVESTLAB_PIPELINE_STEP"] == "s1"
    assert found["INVESTLAB_EXECUTOR"] == "ray"
    assert found["RAY_AUTH_TOKEN"] == "t"
    assert all(
        found[name].startswith(str(tmp_path)) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "XDG_CACHE_HOME")
    )
    assert "INVESTLAB_EXECUTOR" not in kernel_environment({}, tmp_path, step_id="s1", executor="auto", ray={})
