"""Rules that divide rows into training and test rows."""
