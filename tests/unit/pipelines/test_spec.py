"""Pipeline files: what they may say, and how their mistakes are named."""

from pathlib import Path

import pytest

from investlab.core.errors import InvalidInput, InvestlabError, NotFound
from investlab.pipelines.spec import Pipeline, find_pipeline, load_catalog, load_pipeline

STEPS = """
steps:
  - {name: report, notebook: 03_report.ipynb, after: [panel, ingest]}
  - {name: ingest, notebook: 01_ingest.ipynb, writes: [prices]}
  - {name: panel, notebook: 02_panel.ipynb, after: [ingest], reads: [prices], parameters: {until: 2021-12-31}}
"""


def load(folder: Path, text: str) -> Pipeline:
    file = folder / "pipelines" / "daily.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return load_pipeline(file)


def test_steps_come_after_those_they_name(tmp_path: Path) -> None:
    pipeline = load(tmp_path, f"name: daily\nas_of: 2021-12-31\n{STEPS}")
    assert [step.name for step in pipeline.steps] == ["ingest", "panel", "report"]
    assert pipeline.folder == tmp_path
    assert pipeline.spec.as_of == "2021-12-31"
    assert pipeline.steps[1].parameters == {"until": "2021-12-31"}


def test_the_hash_follows_the_content_and_not_the_layout(tmp_path: Path) -> None:
    first = load(tmp_path, f"name: daily\n{STEPS}").spec.spec_hash
    assert load(tmp_path, f"# a comment\nname:   daily\n{STEPS}").spec.spec_hash == first
    assert load(tmp_path, f"name: daily\nexecutor: ray\n{STEPS}").spec.spec_hash != first


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("name: daily\nstep: []", r"daily\.yaml: steps: Field required", id="no-steps"),
        pytest.param(f"name: daily\nowner: me\n{STEPS}", r"daily\.yaml: owner: unknown key", id="unknown-key"),
        pytest.param(
            STEPS.replace("writes", "write") + "name: daily",
            r"daily\.yaml: steps\.1\.write: unknown key",
            id="nested-key",
        ),
        pytest.param(f"name: Daily!\n{STEPS}", r"daily\.yaml: name: String should match pattern", id="bad-name"),
        pytest.param(
            f"name: daily\nexecutor: spark\n{STEPS}", r"daily\.yaml: executor: Input should be", id="executor"
        ),
        pytest.param(f"name: daily\nas_of: never\n{STEPS}", r"daily\.yaml: as_of 'never' is no date", id="as-of"),
        pytest.param(f"name: daily\nname: other\n{STEPS}", r"key 'name' is given twice", id="repeated-key"),
        pytest.param("name: [", r"daily\.yaml is no YAML", id="no-yaml"),
        pytest.param("!!python/object/apply:os.system ['true']", r"daily\.yaml is no YAML", id="code-in-yaml"),
        pytest.param("- a", r"daily\.yaml: the file: Input should be a valid dictionary", id="a-list"),
        pytest.param(
            f"name: daily\n{STEPS}".replace("writes: [prices]", "after: [report]"),
            "daily.yaml: steps wait for each other: .*ingest.* → ",
            id="cycle",
        ),
        pytest.param(
            f"name: daily\n{STEPS}".replace("after: [ingest]", "after: [ingst]"),
            r"Unknown step 'ingst'\. Did you mean INGEST\?|Unknown step 'ingst'\. Did you mean ingest\?",
            id="unknown-after",
        ),
        pytest.param(
            f"name: daily\n{STEPS}".replace("name: panel", "name: ingest"), "two steps are named 'ingest'", id="twice"
        ),
        pytest.param(
            f"name: daily\n{STEPS}".replace("03_report", "../03_report"),
            r"The notebook path '\.\./03_report\.ipynb' is refused",
            id="path",
        ),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InvestlabError, match=sentence):
        load(tmp_path, text)


def test_pipelines_are_found_by_name(tmp_path: Path) -> None:
    load(tmp_path, f"name: daily\n{STEPS}")
    folder = tmp_path / "pipelines"
    assert find_pipeline(folder, "daily").spec.name == "daily"
    with pytest.raises(NotFound, match="Unknown pipeline 'dayly'. Did you mean daily"):
        find_pipeline(folder, "dayly")
    (folder / "other.yaml").write_text(f"name: daily\n{STEPS}")
    with pytest.raises(InvalidInput, match=r"daily\.yaml and other\.yaml both name"):
        load_catalog(folder)
    with pytest.raises(NotFound, match="There is no pipeline file"):
        load_pipeline(folder / "none.yaml")
