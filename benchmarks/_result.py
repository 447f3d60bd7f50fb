"""What a chain left in a workspace, for `benchmarks.kills`: python -m benchmarks._result WORKSPACE."""

import hashlib
import json
import sys
from pathlib import Path

from lib import backends, metrics
from lib.parameters import Parameters, load

if __name__ == "__main__":
    workspace = Path(sys.argv[1])
    (name,) = [one.name for one in (workspace / "endpoints").iterdir()]
    backend = backends.connect(Parameters({**load([]).values, "name": name, "workspace": str(workspace)}))
    registry = backend.models(name)
    production = registry.production()
    run = backend.tracking.candidate_run(production.run_id)
    given = run.data.params
    test = backend.read_table(given["test_data"])
    model = backend.tracking.load_model(backend.tracking.model_folder(production.source, production.sha256))
    predicted = metrics.predict(
        model, test.drop(columns=given["target_column"]), given["task"], given["positive_class"]
    )
    answers = [predicted.labels.tolist(), getattr(predicted.probabilities, "tolist", list)()]
    served = backend.endpoint(name).status()
    backend.endpoint(name).stop()
    told = {
        "predictions": hashlib.sha256(repr(answers).encode()).hexdigest(),
        "versions": len(registry.versions()),
        "production": [one.version for one in registry.versions() if "production" in one.tags],
        "trained by": given["training_function"],
        "served": served.version,
    }
    print(json.dumps(told))
