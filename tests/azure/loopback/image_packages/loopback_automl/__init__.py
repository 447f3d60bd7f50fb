"""A substitute for AutoML's runtime, installed only in the image of jobs and endpoints."""
