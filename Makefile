# Needs Python >= 3.10 with venv and pip, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORE := .venv-core

.PHONY: demo test check check-core check-reference check-export bench clean

demo: $(VENV)/core.stamp  ## recognise the actions of the bundled sample clip
	$(BIN)/actionzoo predict src/actionzoo/assets/sample.mp4

# One thread a process: two processes with two OpenMP threads each would wait for one another.
test: $(VENV)/test.stamp  ## all tests, both cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

check: $(VENV)/lint.stamp  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell src tests docs recipes benchmarks examples README.md CHANGELOG.md CONTRIBUTING.md

check-core: $(CORE)/core.stamp  ## the core install by itself: no torch anywhere
	$(CORE)/bin/python benchmarks/startup.py
	$(CORE)/bin/actionzoo predict src/actionzoo/assets/sample.mp4 --format jsonl
	$(CORE)/bin/actionzoo models --family x3d

check-reference: $(VENV)/test.stamp  ## every recorded reference, one after the other
	$(BIN)/python -m pytest tests/test_reference.py --all-references

check-export: $(VENV)/test.stamp  ## every model of the zoo to both formats, one after the other: about an hour
	$(BIN)/python -m pytest tests/test_every_export.py --all-exports -v

bench: $(VENV)/test.stamp  ## ours and the straight way, side by side
	$(BIN)/python benchmarks/predict.py

$(VENV)/core.stamp $(CORE)/core.stamp: pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --editable .
	touch $@

$(VENV)/test.stamp: $(VENV)/core.stamp
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@

$(VENV)/lint.stamp: $(VENV)/test.stamp
	$(BIN)/pip install --quiet --editable '.[lint]'
	touch $@

clean:
	rm -rf $(VENV) $(CORE) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
