"""Decisions that can be defended: comparisons with their uncertainty, gates and waivers."""
