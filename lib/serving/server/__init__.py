"""The endpoint's server: router, workers, keys, pages and the request log."""
