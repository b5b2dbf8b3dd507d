"""What a bento's environment is installed from."""

from pathlib import Path

import pytest

from investlab.core.errors import NotFound
from investlab.services.exporting import build_wheel, pinned_requirements

LOCK = """\
# made by a tool
a2wsgi==1.10.10 \\
    --hash=sha256:a5bc \\
    --hash=sha256:d2b2
    # via bentoml
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:0869
uvicorn[standard]==0.54.0 \\
    --hash=sha256:1111
"""


def test_pins_keep_extras_and_markers_and_lose_hashes() -> None:
    assert pinned_requirements(LOCK) == (
        "a2wsgi==1.10.10",
        "colorama==0.4.6 ; sys_platform == 'win32'",
        "uvicorn[standard]==0.54.0",
    )


def test_without_sources_no_wheel_is_built(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="Export from a checkout"):
        build_wheel(tmp_path, tmp_path)
