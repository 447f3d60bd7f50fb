"""The models of a search: families, the processes that fit them, and their blend."""
