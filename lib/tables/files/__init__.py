"""Reading of text and Parquet files: whole, in batches, or in partitions on a cluster."""
