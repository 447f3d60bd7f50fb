"""How a table is read, and the parsers of its values; travels with the model."""
