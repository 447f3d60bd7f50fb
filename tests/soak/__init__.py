"""The soak: a chain that is run many times under faults (`make soak`)."""
