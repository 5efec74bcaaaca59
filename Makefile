# Two commands set up and show everything on a bare machine:  make demo   and   make test
# Everything is installed into .venv from constraints.txt; nothing outside this folder and the download cache changes.

PYTHON ?= python3
WORKERS ?= 2
# Where the demo puts its shards, a folder or the URL of one; and the folder in which it caches those of a URL.
DATA :=
CACHE :=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Hard links share the disk with uv's download cache; where the cache is on another file system uv copies by itself.
UV_LINK_MODE ?= hardlink
export UV_LINK_MODE
# Compiled at once, and our own modules when they are first imported: otherwise each process of those that start with
# PYTHONDONTWRITEBYTECODE, as in many containers, compiles torch, transformers and DeepSpeed anew (4 s of CPU).
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE
# ninja, which DeepSpeed calls by name to build its CPU operators, lives in the environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Settings that would send the installer or the interpreter into another environment.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX PIP_USER PIP_PYTHON PIP_CONSTRAINT \
	UV_SYSTEM_PYTHON UV_PYTHON UV_TARGET UV_PREFIX UV_CONSTRAINT UV_OVERRIDE UV_EXCLUDE UV_RESOLUTION UV_WORKING_DIR

.PHONY: help venv ffcv demo parity test test-long test-all lint typecheck bench gpu-check pins clean
.DEFAULT_GOAL := help

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo "Variables: PYTHON=$(PYTHON)  WORKERS=$(WORKERS)  DATA=$(DATA)  CACHE=$(CACHE)"

venv: $(INSTALLED)  ## make .venv (other targets do this by themselves)

# The stamp is written last, so that an interrupted installation is taken up again.
$(INSTALLED): pyproject.toml constraints.txt
	@sh .ci/check_system.sh "$(PYTHON)" "$(VENV)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt --build-constraint constraints.txt \
		--editable '.[dev]'
	@touch $@

# What writes .beton files (docs/ffcv.md); reading them needs none of it.
ffcv: $(INSTALLED)  ## add ffcv to .venv, built here against OpenCV and libjpeg-turbo
	@pkg-config --exists opencv4 libturbojpeg || { echo "ffcv is built against system libraries; on Debian or Ubuntu:" \
		"apt-get install -y --no-install-recommends libopencv-dev libturbojpeg0-dev pkg-config g++" >&2; exit 1; }
	$(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt --build-constraint constraints.txt \
		--editable '.[dev,ffcv]'

demo: $(INSTALLED)  ## raw clips to answered questions: shards, training, evaluation, report
	$(BIN)/python -m mcg.demo $(if $(DATA),--data-dir '$(DATA)') $(if $(CACHE),--cache-dir '$(CACHE)')

lint: $(INSTALLED)  ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(INSTALLED)  ## mypy
	$(BIN)/mypy

# One torch thread for each worker: the workers are the parallelism, and results do not depend on the machine.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)
# A worker that has nothing left takes tests of the other's: one of the long ones lasts ten minutes.
LONG := $(PYTEST) --dist worksteal -m long

test: lint typecheck  ## lint, types, and every test of up to seconds
	$(PYTEST) --dist loadfile -m "not long"

test-long: $(INSTALLED)  ## the long tests alone
	$(LONG)

test-all: test  ## both
	$(LONG)

# The machine should do nothing else. PEERS and BENCH_DATA hold 5 GB of environments and as much of datasets, made once.
PEERS := /tmp/mcg-peers
BENCH_DATA := /tmp/mcg-peers-data
bench: $(INSTALLED)  ## our loader beside its peers, one table; QUICK=1 for a first look
	PYTHONPATH=. $(BIN)/python benchmarks/bench.py --venvs '$(PEERS)' --data '$(BENCH_DATA)' $(if $(QUICK),--quick) \
		$(if $(ONLY),--only '$(ONLY)')

# On a machine that has torch and what was carried to it, and no network, nothing is installed: docs/gpu.md.
gpu-check:  ## everything that needs a GPU, in one go of less than 8 minutes
	PYTHONPATH='.$(if $(PYTHONPATH),:$(PYTHONPATH))' $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) \
		benchmarks/gpu_check.py --out '$(or $(OUT),runs/gpu-check)'

# Every case of reference values in tests/parity/golden, and in the folder that GOLDEN names; what is skipped says why.
parity: $(INSTALLED)  ## our models with released weights give the released values
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/parity -v -rs

pins: $(INSTALLED)  ## rewrite constraints.txt with the newest versions that fit pyproject.toml
	@head -n 4 constraints.txt > $(VENV)/constraints.head
	$(BIN)/uv pip compile pyproject.toml --all-extras --upgrade --no-header --no-annotate --quiet \
		--python $(BIN)/python --output-file $(VENV)/constraints.body
	@cat $(VENV)/constraints.head $(VENV)/constraints.body > constraints.txt

clean:  ## remove caches and build products (not .venv, data/ or runs/)
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
