"""Pipeline spec, checks, runner over papermill, reports."""
