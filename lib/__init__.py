"""Millrace: five notebooks from a table to a served, audited model."""
