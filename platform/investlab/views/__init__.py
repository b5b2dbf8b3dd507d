"""Panel views and the server of the dashboards."""
