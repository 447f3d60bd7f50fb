"""Monitoring: drift of a served model's inputs and predictions, with a bounded rate of false alarms."""
