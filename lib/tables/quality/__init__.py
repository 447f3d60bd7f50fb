"""Checks of a table: profile, data contract, leakage, and the baseline of its training rows."""
