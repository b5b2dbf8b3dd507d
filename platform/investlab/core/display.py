"""How results show themselves: a renderer is found by name only when a value is displayed."""

from pathlib import Path
from typing import Any, ClassVar, Protocol, cast, overload

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


class SheetRenderer(Renderer, Protocol):
    """A renderer whose report also shows in a notebook's cell and on a dashboard."""

    def fragment(self, value: Any) -> str:
        """Return the report's content as a self-contained HTML fragment."""
        ...

    def view(self, value: Any) -> Any:
        """Return the report's content as a Panel object."""
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


class Reported(Displayable):
    """A value whose report shows itself where it is asked for: in a file, in a cell or on a dashboard."""

    __slots__ = ()

    @overload
    def report(self, path: str | Path) -> Path: ...

    @overload
    def report(self, path: None = None) -> "Report": ...

    def report(self, path: str | Path | None = None) -> "Path | Report":
        """Write the report to `path` as one HTML file and return the path; without one return what shows itself.

        Jupyter shows the returned `Report` in the cell; Panel takes it wherever it takes an object.
        """
        return Report(self) if path is None else super().report(path)


class Report:
    """The report of one value, drawn when it is shown."""

    __slots__ = ("_value",)

    def __init__(self, value: Reported) -> None:
        self._value = value

    def __repr__(self) -> str:
        return f"<Report of {self._value!r}>"

    def _repr_html_(self) -> str:
        return self._renderer().fragment(self._value)

    def __panel__(self) -> Any:
        return self._renderer().view(self._value)

    def _renderer(self) -> SheetRenderer:
        return cast("SheetRenderer", load_extension(RENDERERS, self._value.renderer))
