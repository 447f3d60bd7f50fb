"""Stands for AutoML's runtime: in the image of its jobs and endpoints, and nowhere else."""
