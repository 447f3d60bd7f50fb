"""Game days: faults and changes that befall a throw-away copy of a workspace, and how the system reacts to them."""
