"""The stores: one request to S3, to a web server, or to whatever fsspec knows, and what its errors mean."""
