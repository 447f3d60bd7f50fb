"""The README of an exported folder."""

from __future__ import annotations

import json
import re

from lib.scoring.model import Model
from lib.serving.exported import DEFAULT_PORT, Export

_TEXT = """\
# {name}, version {version}

This folder serves a model as a real-time endpoint. It needs Python {python} on Linux or macOS, and nothing of the
project that exported it.

## Install and start

```
python{python} -m venv .venv
.venv/bin/python -m pip install --requirement requirements.txt
.venv/bin/python serve.py
```

`serve.py` serves at http://127.0.0.1:{port} until Ctrl-C or SIGTERM. `serve.py start`, `status`, `logs` and `stop` do
so in the background; `serve.py enable` starts the endpoint with the machine. `serve.py --help` lists the options for
host, port, number of workers and host names. If a client gets status 421, allow its host name by `--allowed-host`.

## Get a key

The first start creates two keys in `endpoint/keys.json`, which only you can read. This folder contained none. To use
keys of your own, write that file before the first start, readable by its owner only:
`{{"primary": "...", "secondary": "..."}}`.

```
.venv/bin/python serve.py key
.venv/bin/python serve.py key --renew secondary
```

## Ask

```
curl -s http://127.0.0.1:{port}/score \\
  -H "Authorization: Bearer $(.venv/bin/python serve.py key)" \\
  -H 'Content-Type: application/json' \\
  -d '{body}'
```

http://127.0.0.1:{port}/ is a form, http://127.0.0.1:{port}/docs the documentation of the interface, and
http://127.0.0.1:{port}/metrics has metrics for Prometheus.

## What is in this folder

| file | content |
| --- | --- |
| `model/` | the model, an MLflow model folder with the code that it was tested with |
| `lib/` | the server |
| `requirements.txt` | the packages, pinned |
| `export.json` | name, version, SHA-256 and settings |
| `endpoint/` | keys, request log and state; created by the first start |

Each start verifies the SHA-256 of `model/`, {sha256}.
A folder that was changed is not served. This protects against damage and mistakes; who can change `export.json` as well
can replace the model.
"""


def write_readme(export: Export, model: Model, python: str) -> str:
    """Return the text of the README.

    Parameters
    ----------
    export : Export
    model : Model
        Its example is the row of the request.
    python : str
        Version of Python, such as ``3.11``.
    """
    body = json.dumps({"data": [model.example or {}]}, ensure_ascii=False).replace("'", r"'\''")
    return _TEXT.format(
        name=re.sub(r"\s+", " ", export.name),
        version=export.version,
        python=python,
        port=DEFAULT_PORT,
        body=body,
        sha256=export.sha256,
    )
