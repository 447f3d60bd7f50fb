"""The metrics of an endpoint in the format of Prometheus: `request_counts` counts, `exposition` writes the text."""
