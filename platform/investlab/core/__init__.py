"""The ground: settings, clock, errors, extension points, executor protocol, display, logging, identity."""
