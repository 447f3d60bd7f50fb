"""Deploying to the local endpoint: versions, rollout and status."""
