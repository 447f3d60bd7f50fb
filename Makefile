# Each target installs what it needs. The only prerequisites are git, make and Python 3.11, 3.12 or 3.13.

SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
# A run starts many Python processes. Without cached bytecode each of them takes twice as long to start.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: run test test-all soak mutants check-custom bench lint docs docs-images infra-check infra-schema install gpu kernel lock clean help

# The Python for a new environment: make run PYTHON=/path/to/python3.11 (`make clean` removes the old environment).
PYTHON ?= python3.11 python3.12 python3.13 python3 python

# The packages of your own code in custom/.
own = $(if $(wildcard custom/requirements.txt),.venv/.own)

run: .venv/.core $(own) ## Run the pipeline on a table: make run ARGS="--params parameters/my.yaml"
	.venv/bin/python run_all.py $(ARGS)

# loadfile keeps the tests of one file on one worker, because they share expensive fixtures.
pytest = .venv/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: lint ## Run the tests: make test ARGS="-k metrics"
	$(pytest) $(ARGS)

# The tests of the endpoint's form and of JupyterLab need Chromium. They are skipped if it cannot be installed.
test-all: lint .venv/.azure .venv/.azure-v1 .venv/.automl .venv/.docs ## Run all tests, including slow and Azure ones (npm installs Azurite)
	@type -p chromium chromium-browser google-chrome > /dev/null || apt-get install --yes --quiet chromium \
	  || echo "Chromium is missing and could not be installed; the tests in a browser will be skipped."
	$(pytest) -m "" --hypothesis-profile thorough $(ARGS)

soak: .venv/.dev ## Run the chain under random faults (Linux, root): make soak ARGS="--runs 40"
	.venv/bin/python -m tests.soak $(ARGS)

mutants: .venv/.dev .venv/.mutants ## Test whether the tests notice small changes of the code: make mutants ARGS="--count 60"
	.venv/bin/python -m tests.mutants $(ARGS)

check-custom: .venv/.dev $(own) ## Check your own code in custom/: imports, hooks, training functions, metrics, notebooks
	.venv/bin/python -m pytest --quiet -n logical --maxprocesses 4 tests/check_custom/check_all.py $(wildcard custom/tests) $(ARGS)

bench: .venv/.dev $(if $(findstring automl,$(or $(ARGS),automl)),.venv/.automl) ## Run the benchmarks: make bench ARGS=chain
	@for bench in $(or $(ARGS),$(basename $(notdir $(wildcard benchmarks/[a-z]*.py)))); do \
	  .venv/bin/python -m benchmarks.$$bench || exit 1; done

# Tools are started with `python -m`, because the scripts in .venv/bin contain the absolute path of the original checkout.
lint: .venv/.dev ## Check style, format, import contracts and types
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	.venv/bin/python -c 'from importlinter.cli import lint_imports_command as main; main(["--no-logo"])'
	.venv/bin/python -m mypy

docs: .venv/.docs ## Build the documentation site in site/, with a gallery of executed notebooks
	.venv/bin/python -m docs.scripts.gallery
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet
	@echo "Open site/index.html"

docs-images: .venv/.core ## Recreate the pictures in docs/images from a real run (needs Chromium)
	.venv/bin/python -m docs.scripts.images

infra-check: .venv/.dev .venv/.checkov ## Check infra/ and the pipeline: Terraform tests, rules, checkov
	$(pytest) -m "" tests/infra tests/azure_pipelines/test_pipeline.py $(ARGS)

infra-schema: .venv/.dev ## Update the provider schema used by the tests, after adding a new resource type
	@.venv/bin/python -m pip download --quiet --no-deps --dest .venv/azurerm cdktn-provider-azurerm==18.9.0
	.venv/bin/python -m tests.infra.schema_of_wheel .venv/azurerm/cdktn_provider_azurerm-18.9.0-py3-none-any.whl

install: $(patsubst %,.venv/.%,core $(GROUPS)) $(own) ## Install optional packages: make install GROUPS="azure automl sources scale"

gpu: .venv/.gpu ## Replace xgboost-cpu with the xgboost that trains on an NVIDIA GPU

kernel: .venv/.core ## Register this environment as the kernel "Millrace" in Jupyter or Azure ML studio
	.venv/bin/python -m ipykernel install --user --name millrace --display-name Millrace

lock: .venv/.made ## Write requirements.lock and environment.yml from pyproject.toml: make lock ARGS=--upgrade
	@$(uv) compile --quiet --universal --python-version 3.11 --all-extras pyproject.toml --generate-hashes \
	  --custom-compile-command "make lock" --output-file requirements.lock $(ARGS)
	@$(uv) compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --extra azure --extra azure-v1 \
	  pyproject.toml --constraints requirements.lock --no-header --no-annotate --output-file .venv/azure.txt
	@{ sed '/- pip:/q' environment.yml && sed 's/^/      - /' .venv/azure.txt; } > .venv/environment.yml
	@mv .venv/environment.yml environment.yml

clean: ## Remove the environment, caches and built documentation; keep runs/ and workspace/
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .import_linter_cache build site

help:
	@awk -F ':.*## ' '/^[a-z-]+:.* ## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

# The environment. An empty file .venv/.<group> marks an installed group; it is written last, so it is missing after a
# failure. Names come from pyproject.toml, versions and hashes from the lock. A package without a hash is refused.

# uv trusts the system's certificates, as pip does. It does not read pip.conf, so a mirror configured there is passed on.
uv = UV_SYSTEM_CERTS=1 UV_DEFAULT_INDEX=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$(.venv/bin/python -m pip config get \
  global.index-url 2> /dev/null)}} .venv/bin/uv pip

# xgboost and xgboost-cpu install into the same folder, so only one of them can be present.
swap = $(wildcard .venv/.gpu)
sync = $(if $(swap),echo xgboost-cpu |) $(uv) install --python .venv --require-hashes --requirements pyproject.toml \
  --constraints requirements.lock $(if $(swap),--extra gpu --excludes /dev/stdin)

# The editable install registers the entry points for papermill and jupyter_client. It also writes the absolute path of
# this folder into lib.pth; a relative path replaces it, so that a copied or moved checkout imports its own code.
.venv/.core: .venv/.made pyproject.toml requirements.lock
	@$(sync)
	@.venv/bin/uv pip install --quiet --python .venv --no-deps --no-build-isolation --offline --editable .
	@cd .venv/lib/python3.*/site-packages && rm -f lib.pth millrace.pth && echo ../../../.. > lib.pth
	@touch $@

# The packages that the code in custom/ needs, in the versions that the lock gives to packages which both use.
.venv/.own: .venv/.core custom/requirements.txt
	@sed 's/ \\$$//; /^ *--hash/d; /^ *#/d' requirements.lock > .venv/constraints.txt
	@$(uv) install --python .venv --constraints .venv/constraints.txt --requirements custom/requirements.txt
	@touch $@

.venv/.%: .venv/.core
	@$(sync) --extra $*
	@touch $@

# checkov gets a separate environment, because it pins old versions of shared dependencies.
.venv/.checkov: .venv/.made
	@.venv/bin/python -m venv --clear .venv/checkov
	@$(uv) install --quiet --python .venv/checkov checkov==3.3.30
	@touch $@

# Cosmic Ray only writes the mutants; the tests run in the environment of the project.
.venv/.mutants: .venv/.made
	@.venv/bin/python -m venv --clear .venv/mutants
	@$(uv) install --quiet --python .venv/mutants cosmic-ray==8.7.0
	@touch $@

.venv/.gpu: .venv/.core
	@touch $@ && rm .venv/.core
	@.venv/bin/uv pip uninstall --python .venv xgboost-cpu
	@$(MAKE) --no-print-directory .venv/.core

# uv itself is installed from its own lines of the lock.
.venv/.made:
	$(or $(usable_python),$(error $(no_python))) -m venv --clear .venv
	@sed -n '/^uv==/,/# via/p' requirements.lock > .venv/uv.txt
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.txt
	@touch $@

# The first Python 3.11, 3.12 or 3.13 that runs (a pyenv shim may fail) and can create an environment.
usable_python = $(shell for python in $$(type -aP $(PYTHON)); do $$python -c \
  'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2> /dev/null \
  && echo $$python && break; done)
no_python = no Python 3.11, 3.12 or 3.13 with its venv module found. \
Get one by `pyenv install 3.11`, `brew install python@3.11`, `apt install python3.11-venv` or `conda create -n py311 \
python=3.11`, then add PYTHON=/path/to/python3.11 to this command
