"""What travels with a model: request checks, columns, the scorer and its fast form."""
