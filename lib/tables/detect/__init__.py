"""Detection of how a file is written: encoding, dialect, header, footer and column types."""
