"""The results of a chain in a workspace, for `benchmarks.kills`: python -m benchmarks._result WORKSPACE."""

import hashlib
import json
import sys
from pathlib import Path

from lib import backends, metrics
from lib.parameters import Parameters, load

if __name__ == "__main__":
    workspace = Path(sys.argv[1])
    (name,) = [folder.name for folder in (workspace / "endpoints").iterdir()]
    backend = backends.connect(Parameters({**load([]).values, "name": name, "workspace": str(workspace)}))
    registry = backend.models(name)
    production = registry.production()
    run = backend.tracking.candidate_run(production.run_id)
    params = run.data.params
    test = backend.read_table(params["test_data"])
    model = backend.tracking.load_model(backend.tracking.model_folder(production.source, production.sha256))
    predictions = metrics.predict(
        model, test.drop(columns=params["target_column"]), params["task"], params["positive_class"]
    )
    values = [predictions.labels.tolist(), getattr(predictions.probabilities, "tolist", list)()]
    served = backend.endpoint(name).status()
    backend.endpoint(name).stop()
    result = {
        "predictions": hashlib.sha256(repr(values).encode()).hexdigest(),
        "versions": len(registry.versions()),
        "production": [version.version for version in registry.versions() if "production" in version.tags],
        "trained by": params["training_function"],
        "served": served.version,
    }
    print(json.dumps(result))
