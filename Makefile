# On a fresh machine `make sweep` and `make test` do all the set-up themselves.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= python3
NVF_DATA ?= ../shared/data
export NVF_DATA

.PHONY: sweep test lint format slow faults browser mutants ui bench install clean

sweep: $(READY)  ## the main job: search pydocs with fused and linear; a new sweep each time
	@name=quickstart; [ ! -e mlruns/sweeps/quickstart ] || name=quickstart-$$(date +%Y%m%d-%H%M%S); \
	$(BIN)/nvf sweep search_spaces/quickstart.yaml --name $${NAME:-$$name}

test: $(READY)  ## the default suite: under 10 minutes on 2 cores
	$(BIN)/pytest -m "not slow and not browser and not faults"

lint: $(READY)  ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

slow: $(READY)  ## tests that take minutes: equal journals, signals, a killed node, the synthetic bars
	$(BIN)/pytest -m "slow and not browser and not faults"

faults: $(READY)  ## everything that can die, dies: drivers, workers, servers, disks, files (NVF_DEATHS=20 kills by default)
	$(BIN)/pytest -m faults

browser: $(READY)  ## the MLflow UI in a real Chromium (Debian: apt-get install chromium)
	$(BIN)/pytest -m browser

mutants: $(READY)  ## small mutations of the core, which its tests have to kill (SAMPLE=30 SEED=0 by default)
	$(BIN)/python -m tests.mutants --sample $${SAMPLE:-30} --seed $${SEED:-0}

ui: $(READY)  ## browse the runs
	$(BIN)/nvf ui

bench: $(READY)  ## each prints a table of ratios measured in one run
	$(BIN)/python benchmarks/measures.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/two_stage.py

install: $(READY)

# torch first and by pip: a looser range would bring gigabytes of CUDA.
$(READY): pyproject.toml constraints.txt
	@echo "install 1/3: a virtual environment in $(VENV), some seconds"
	@$(PYTHON) -m venv $(VENV)
	@echo "install 2/3: torch for the CPU, the largest download, 1 to 4 minutes"
	@$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	@echo "install 3/3: nvf and what it needs, 1 to 6 minutes"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)
	@echo "installed in $(VENV); source $(BIN)/activate puts nvf on the path"

clean:  ## the environment and the caches of the tools; never mlruns/
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
