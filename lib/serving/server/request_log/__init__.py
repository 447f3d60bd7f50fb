"""The request log: requests and their answers, stored for monitoring."""
