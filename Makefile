# chainrule: `make` lists what there is. Needs Python 3.11 or newer and GNU make; another Python: make PYTHON=python3.12 test

PYTHON = python3
VENV   = .venv
BIN    = $(VENV)/bin
PYTEST = $(BIN)/python -m pytest -n auto --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test check format coverage bench accuracy torture clean FORCE

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s%s\n", $$1, $$2 }' Makefile

demo: $(VENV)/cli.done ## train a network on the handwritten digits and report how good it is
	@mkdir -p build/demo
	$(BIN)/chainrule train digits --model build/demo/digits.chainrule

test: $(VENV)/dev.done ## run the tests; options: make test ARGS="-k relu -x"
	$(PYTEST) $(ARGS)

check: $(VENV)/dev.done ## lint, format, types and tests: what a change must pass
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) $(ARGS)

format: $(VENV)/dev.done ## put imports and layout in order
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

coverage: $(VENV)/dev.done ## run the tests and list the lines that none of them reaches
	$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

bench: $(VENV)/bench.done ## compare speed with NumPy, scikit-learn, PyTorch, JAX and Keras; options: make bench ARGS=--quick
	$(BIN)/python bench/run.py $(ARGS)

accuracy: $(VENV)/dev.done ## compare accuracies with published ones and other methods, an hour; four minutes: make accuracy ARGS=books
	$(BIN)/python accuracy/run.py $(ARGS)

torture: $(VENV)/dev.done ## kill fits and alter their checkpoints, thousands of times: two minutes
	$(BIN)/python tests/torture.py $(ARGS)

clean: ## remove the environment and everything made here
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The virtual environment is made again when the Python, the folder or pyproject.toml is not the one that it was
# made with. made-with.txt says which that was; it is looked at every time, and written only when it changes.

define MADE_WITH
import hashlib, pathlib, sys
print(sys.version, sys.base_prefix, pathlib.Path.cwd())
print(hashlib.sha256(pathlib.Path("pyproject.toml").read_bytes()).hexdigest())
endef
export MADE_WITH

$(VENV)/made-with.txt: FORCE
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "chainrule needs Python 3.11 or newer, and '$(PYTHON)' is not there. Another one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "chainrule needs Python 3.11 or newer, and '$(PYTHON)' is" \
			"$$("$(PYTHON)" --version 2>&1). Another one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' has no venv module. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@made_with="$$("$(PYTHON)" -c "$$MADE_WITH")"; \
	if [ "$$made_with" != "$$(cat $@ 2>/dev/null)" ]; then \
		echo "making $(VENV), once: about a minute" && rm -rf $(VENV) && "$(PYTHON)" -m venv $(VENV) && \
		printf '%s\n' "$$made_with" >$@; \
	fi

INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(VENV)/cli.done: $(VENV)/made-with.txt
	$(INSTALL) -e '.[cli]'
	@touch $@

$(VENV)/dev.done: $(VENV)/made-with.txt
	$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/cli.done

$(VENV)/bench.done: $(VENV)/made-with.txt
	$(INSTALL) -e '.[dev,bench]'
	@touch $@ $(VENV)/dev.done $(VENV)/cli.done
