"""Returns, ratios, drawdowns and the odds of overfitting (pure)."""
