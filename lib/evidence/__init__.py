"""Evidence: who made a run, a sealed list of everything that went into it, and the check of that list."""
