"""Values to HoloViews and Bokeh figures, and HTML."""
