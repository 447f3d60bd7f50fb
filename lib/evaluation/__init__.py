"""Decisions that follow from a model's predictions: thresholds and costs, and what they are worth on test rows."""
