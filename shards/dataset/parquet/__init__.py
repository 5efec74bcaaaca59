"""Reading parquet files that nobody vouches for, within a bound of memory."""
