"""Strategies, costs, kernels, engine, sweep and result (pure)."""
