"""Azure ML's SDK version 2: azure-ai-ml."""
