"""The HTTP edge: the gateway, its routes, authentication and the one error shape."""
