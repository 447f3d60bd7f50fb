# Each target sets up what it needs; only git, make and Python 3.11 are taken for granted.

SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
# A run starts many Pythons; where bytecode is not kept, each compiles its imports anew, which doubles its start.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: run test test-all bench lint infra-check infra-schema install gpu kernel lock clean help

# The Python of a new environment: make run PYTHON=/path/to/python3.11 (make clean removes the old one).
PYTHON ?= python3.11 python3 python

run: .venv/.core ## The chain on a table: make run ARGS="--params parameters/my.yaml"
	.venv/bin/python run_all.py $(ARGS)

# loadfile: the tests of a file share its costly fixtures, and stay on one worker.
pytest = .venv/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: .venv/.dev ## The tests: make test ARGS="-k metrics"
	$(pytest) $(ARGS)

# The page is tried in Debian's Chromium: installed where this user may and the system can, else said.
test-all: .venv/.dev .venv/.azure .venv/.automl ## The tests, the slow ones too, Azure among them (npm installs its storage)
	@type -p chromium chromium-browser google-chrome > /dev/null || apt-get install --yes --quiet chromium \
	  || echo "No Chromium, and none could be installed: the tests of the page will be skipped."
	$(pytest) -m "" --hypothesis-profile thorough $(ARGS)

bench: .venv/.dev $(if $(findstring automl,$(or $(ARGS),automl)),.venv/.automl) ## The measurements: make bench ARGS=chain
	@for bench in $(or $(ARGS),$(basename $(notdir $(wildcard benchmarks/[a-z]*.py)))); do \
	  .venv/bin/python -m benchmarks.$$bench || exit 1; done

lint: .venv/.dev ## Style, format, import contracts and types
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	.venv/bin/lint-imports --no-logo
	.venv/bin/python -m mypy

infra-check: .venv/.dev .venv/.checkov ## infra/ and the pipeline: Terraform's tests, rules with their mutants, checkov
	$(pytest) -m "" tests/infra tests/azure_pipelines/test_pipeline.py $(ARGS)

infra-schema: .venv/.dev ## What the stand-in for azurerm knows, after infra/ uses a new type of resource
	@.venv/bin/python -m pip download --quiet --no-deps --dest .venv/azurerm cdktn-provider-azurerm==18.9.0
	.venv/bin/python -m tests.infra.schema_of_wheel .venv/azurerm/cdktn_provider_azurerm-18.9.0-py3-none-any.whl

install: $(patsubst %,.venv/.%,core $(GROUPS)) ## More packages: make install GROUPS="azure automl monitor scale"

gpu: .venv/.gpu ## The xgboost that trains on an NVIDIA GPU, in place of xgboost-cpu

kernel: .venv/.core ## This environment as the kernel "millrace" of your Jupyter or Azure ML studio
	.venv/bin/python -m ipykernel install --user --name millrace --display-name Millrace

lock: .venv/.made ## requirements.lock and environment.yml from pyproject.toml: make lock ARGS=--upgrade
	@$(uv) compile --quiet --universal --python-version 3.11 --all-extras pyproject.toml --generate-hashes \
	  --custom-compile-command "make lock" --output-file requirements.lock $(ARGS)
	@$(uv) compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --extra azure pyproject.toml \
	  --constraints requirements.lock --no-header --no-annotate --output-file .venv/azure.txt
	@{ sed '/- pip:/q' environment.yml && sed 's/^/      - /' .venv/azure.txt; } > .venv/environment.yml
	@mv .venv/environment.yml environment.yml

clean: ## Remove the environment and the caches; runs/ and workspace/ stay
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache

help:
	@awk -F ':.*## ' '/^[a-z-]+:.* ## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

# The environment. An empty file .venv/.<group> says that a group is installed; being written last, it is missing after
# a failure. Names come from pyproject.toml, versions and hashes from the lock; what has no hash there is refused.

# uv trusts the system's certificates, as pip does. It reads no pip.conf, so a mirror named there is handed on.
uv = UV_SYSTEM_CERTS=1 UV_DEFAULT_INDEX=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$(.venv/bin/python -m pip config get \
  global.index-url 2> /dev/null)}} .venv/bin/uv pip

# xgboost and xgboost-cpu own one folder, so where the first is wanted the second is kept out.
swap = $(wildcard .venv/.gpu)
sync = $(if $(swap),echo xgboost-cpu |) $(uv) install --python .venv --require-hashes --requirements pyproject.toml \
  --constraints requirements.lock $(if $(swap),--extra gpu --excludes /dev/stdin)

.venv/.core: .venv/.made pyproject.toml requirements.lock
	@$(sync)
	@.venv/bin/uv pip install --quiet --python .venv --no-deps --no-build-isolation --offline --editable .
	@touch $@

.venv/.%: .venv/.core
	@$(sync) --extra $*
	@touch $@

# An environment of its own: checkov pins what others need newer.
.venv/.checkov: .venv/.made
	@.venv/bin/python -m venv --clear .venv/checkov
	@$(uv) install --quiet --python .venv/checkov checkov==3.3.30
	@touch $@

.venv/.gpu: .venv/.core
	@touch $@ && rm .venv/.core
	@.venv/bin/uv pip uninstall --python .venv xgboost-cpu
	@$(MAKE) --no-print-directory .venv/.core

# uv comes from its own lines of the lock. `lib` is made importable by a .pth file: no build, nothing fetched, and being
# relative it survives a moved checkout. papermill and jupyter_client find entry points by the editable install above.
.venv/.made:
	$(or $(usable_python),$(error $(no_python))) -m venv --clear .venv
	@sed -n '/^uv==/,/# via/p' requirements.lock > .venv/uv.txt
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.txt
	@for folder in .venv/lib/python3.*/site-packages; do echo ../../../.. > $$folder/millrace.pth; done
	@touch $@

# The first Python that runs (a pyenv shim may not), is neither too old nor too new, and can make an environment.
usable_python = $(shell for python in $$(type -aP $(PYTHON)); do $$python -c \
  'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 12))' 2> /dev/null \
  && echo $$python && break; done)
no_python = no Python 3.11 with its venv module found, and azureml-train-automl-client needs Python < 3.12. \
Get one by `pyenv install 3.11`, `brew install python@3.11`, `apt install python3.11-venv` or `conda create -n py311 \
python=3.11`, then add PYTHON=/path/to/python3.11 to this command
