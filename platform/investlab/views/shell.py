"""The document around a page: no template of a library, no outside host, nothing that the page does not use."""

import panel as pn

from investlab.charts.markup import Html, element, join
from investlab.views import assets

DOCUMENT = """<!doctype html>
<html lang="en">
<head>
{{ investlab_head }}
{% if roots %}{{ bokeh_css if bokeh_css }}{{ bokeh_js if bokeh_js }}{% else %}{{ investlab_bokeh }}{% endif %}
</head>
<body>
{{ investlab_body }}
{{ plot_script }}
</body>
</html>
"""
"""Panel's own scripts come only with a page that has Panel models; figures that stand alone need BokehJS's core."""

THEME = Html('try{const t=localStorage.getItem("il-theme");if(t)document.documentElement.dataset.theme=t}catch{}')
"""Runs before anything is painted, so that a chosen theme does not flash."""


def page_template(title: str, content: Html, told: Html, *, script: str) -> pn.Template:
    """Return a page: its content, what it tells its script as JSON, and the script that moves it."""
    template = pn.Template(DOCUMENT)
    template.location = False
    modules = [element("link", rel="modulepreload", href=assets.address(name)) for name in assets.SCRIPTS]
    head = join(
        (
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("title", f"{title} · investlab"),
            element("link", rel="icon", type="image/svg+xml", href=assets.ICON),
            element("script", THEME),
            *(element("link", rel="stylesheet", href=assets.address(name)) for name in assets.STYLES),
            *modules,
            element("script", type="module", src=assets.address(script)),
        ),
        "\n",
    )
    template.add_variable("investlab_head", head)
    template.add_variable("investlab_body", join((content, told), "\n"))
    template.add_variable("investlab_bokeh", element("script", src=assets.address(assets.BOKEH), defer="defer"))
    return template
