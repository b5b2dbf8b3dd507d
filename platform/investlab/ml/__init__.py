"""Machine learning: training sets, training, evaluation, registry rules, predictors, monitoring; pure."""
