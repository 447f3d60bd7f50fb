"""Preprocessing: pure functions of parts of a table, what all parts together decide, and engines that run both."""
