"""How results show themselves: a renderer is found by name only when a value is displayed."""

from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from investlab.core.extensions import RENDERERS, load_extension


class Renderer(Protocol):
    """Turns one kind of value into something people can look at."""

    def html(self, value: Any) -> str:
        """Return a self-contained HTML fragment."""
        ...

    def plot(self, value: Any) -> Any:
        """Return a HoloViews object."""
        ...

    def report(self, value: Any) -> str:
        """Return a complete, self-contained HTML page."""
        ...


class Displayable:
    """A value that Jupyter shows through the renderer named by `renderer`."""

    __slots__ = ()
    renderer: ClassVar[str]

    def _renderer(self) -> Renderer:
        return cast("Renderer", load_extension(RENDERERS, self.renderer))

    def _repr_html_(self) -> str:
        return self._renderer().html(self)

    def plot(self) -> Any:
        """Return the value's main chart as a HoloViews object."""
        return self._renderer().plot(self)

    def report(self, path: str | Path) -> Path:
        """Write a self-contained HTML report to `path` and return the path."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self._renderer().report(self), encoding="utf-8")
        return target
