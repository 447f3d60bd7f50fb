"""The comparison of two runs: what went in differently, what came out differently, and the likely cause."""
