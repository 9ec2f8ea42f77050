# `make demo` and `make test` do all the set-up themselves: two commands on a fresh machine.
#
#   PYTHON   the interpreter that the environment is made from
#   VENV     where the environment lives
#   TORCH    the torch build, as pip takes it; installed before anything that depends on torch, which
#            would otherwise bring the newest CUDA build. Another one, for instance:
#            make demo TORCH="torch==2.13.0 --index-url INDEX", with the index that PyTorch names
#   WHEEL    install this wheel instead of the working tree
#   DATA, PEERS   for `make bench`: folders with evaluation scenes, and with other people's code

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
WHEEL ?=

BIN := $(VENV)/bin
PROJECT := $(if $(WHEEL),$(WHEEL),-e .)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint bench install clean FORCE

demo: $(VENV)/installed
	$(BIN)/polyfield demo

test: $(VENV)/installed-test
	$(BIN)/python -m pytest

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@echo "mypy: the package"
	@links=$$(mktemp -d) && trap 'rm -r "$$links"' EXIT && ln -s "$(CURDIR)" "$$links/polyfield" \
	  && MYPYPATH="$$links" $(BIN)/mypy --package polyfield

bench: $(VENV)/installed
	$(BIN)/polyfield bench out=benchmarks/results file=RESULTS.md $(if $(DATA),data='$(DATA)') \
	  $(if $(PEERS),peers='$(PEERS)')

install: $(VENV)/installed

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Holds what was asked for, and is rewritten only when that changes.
$(VENV)/torch: $(BIN)/python FORCE
	@echo '$(TORCH)' | cmp -s - $@ || { \
	  echo 'installing $(TORCH)'; $(PIP) $(TORCH) && echo '$(TORCH)' > $@; }

$(VENV)/installed: $(VENV)/torch pyproject.toml
	@echo 'installing polyfield'
	@$(PIP) $(PROJECT)
	@touch $@

$(VENV)/installed-test: $(VENV)/torch pyproject.toml
	@echo 'installing polyfield and what its tests need'
	@$(PIP) $(if $(WHEEL),'$(WHEEL)[test]',-e '.[test]')
	@touch $@ $(VENV)/installed
