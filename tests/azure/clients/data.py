"""Upload a table to a datastore, register it twice as a Tabular dataset, and read it."""

import json

import pandas as pd
from azureml.core import Dataset, Datastore
from azureml.data import DataType
from azureml.data.datapath import DataPath
from login import connect

workspace = connect()
default = workspace.get_default_datastore()
store = Datastore.register_azure_blob_container(
    workspace, "seams", default.container_name, default.account_name, account_key=default.account_key,
    create_if_not_exists=True, overwrite=True,
)  # fmt: skip
pd.DataFrame({"day": ["2026-01-01", "2026-01-02"], "late": [0, 1], "name": ["a", "b"]}).to_csv(
    "flights.csv", index=False
)
store.upload_files(["flights.csv"], target_path="tables", overwrite=True, show_progress=False)
types = {"day": DataType.to_string(), "late": DataType.to_long(), "name": DataType.to_string()}
table = Dataset.Tabular.from_delimited_files(DataPath(store, "tables/flights.csv"), set_column_types=types)
table.register(workspace, "flights", create_new_version=True)
pd.DataFrame({"x": [1.5, None]}).to_parquet("out.parquet")
store.upload_files(["out.parquet"], target_path="tables", overwrite=True, show_progress=False)
parquet = Dataset.Tabular.from_parquet_files(DataPath(store, "tables/out.parquet"))
second = parquet.register(workspace, "flights", create_new_version=True)
first = Dataset.get_by_name(workspace, "flights", version=1).to_pandas_dataframe()
print(json.dumps({
    "types": {name: str(kind) for name, kind in first.dtypes.items()}, "rows": first.to_dict("records"),
    "version": second.version, "parquet": second.to_pandas_dataframe()["x"].isna().tolist(),
}))  # fmt: skip
