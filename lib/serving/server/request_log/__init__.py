"""The request log: requests and answers kept for monitoring."""
