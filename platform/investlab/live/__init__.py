"""The live layer: connections, hub, bus, replay clock and feeds."""
