"""Azure ML's SDK version 1: azureml-core and azureml-train-automl-client, out of support since 30 June 2026."""
