"""Tables: read any table the user has, check it, split it, describe it."""
