"""Decisions that can be defended: thresholds and costs, calibration, comparisons with their uncertainty, and gates."""
