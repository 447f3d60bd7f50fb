"""Models tried in processes of their own: families, workers, and the blend of what they made."""
