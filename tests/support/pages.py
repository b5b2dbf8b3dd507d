"""The code in pages of the documentation, to be run by tests."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def code_of(page: str, title: str) -> str:
    """Return the Python code of a page's section."""
    text = (DOCS / page).read_text(encoding="utf-8")
    (found,) = re.findall(rf"^## {title}\n.*?```python\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    return str(found)
