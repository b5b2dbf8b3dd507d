"""The HTTP and WebSocket client for apps."""
