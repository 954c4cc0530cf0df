# Everything runs in a virtual environment that make keeps in .venv, installed from requirements/*.txt.
# `make` alone lists the targets. Of use on the command line:
#   PYTHON=python3.12   another interpreter (it gets an environment of its own, .venv-3.12)
#   PORT=9000           where `make run` serves
#   ARGS="-k wire -x"   more arguments for what the target runs: pytest, `modelport serve` or the benchmark

ifneq ($(findstring /,$(lastword $(MAKEFILE_LIST))),)
# Called as `make -f some/where/Makefile`: go there first, the recipes know one folder only.
.DEFAULT_GOAL := help
$(or $(MAKECMDGOALS),help): there ;
.PHONY: there $(MAKECMDGOALS)
there: ; @$(MAKE) --no-print-directory -C "$(dir $(lastword $(MAKEFILE_LIST)))" $(MAKECMDGOALS)
else

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help run test test-all frameworks check lint bench bench-peers lock clean

# Settings of the caller's own Python and pip that would leak into the environment, or keep pip out of it.
unexport PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell requirements/find-python python3 python3.13 python3.12 python3.11)
VENV := .venv
else
override PYTHON := $(shell requirements/find-python "$(PYTHON)")
VENV := .venv-$(if $(PYTHON),$(shell "$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])'))
endif
PY := $(VENV)/bin/python
PORT ?= 8000
UV := uv==0.13.8

# A stamp's name carries the folder, because an editable installation does: a checkout that was moved installs again.
HERE := $(firstword $(shell printf %s '$(CURDIR)' | cksum))
RUN := $(VENV)/.run-$(HERE)
DEV := $(VENV)/.dev-$(HERE)

# What is compiled at an installation, where there is a compiler.
NATIVE := hatch_build.py $(wildcard src/modelport/native/*.[ch])

# An environment whose interpreter is gone (an upgrade of the system's Python) is made anew.
ifneq ($(wildcard $(VENV)),)
ifneq ($(shell $(PY) -c 'print("ok")' 2>/dev/null),ok)
$(shell rm -rf $(VENV))
endif
endif

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 16

run: $(RUN) ## train the three example models and serve them, with a page to try them on
	@$(PY) examples/train.py
	@exec $(PY) -m modelport serve examples/models --port $(PORT) $(ARGS)

test: $(DEV) ## run the tests
	@$(PY) -m pytest $(ARGS)

frameworks: $(DEV) ## install every framework, so that `make test` tests every format (about 2 GB; PMML also wants Java)
	@echo "installing requirements/frameworks.txt into $(VENV)"
	@$(PY) -m pip install -qq -r requirements/frameworks.txt
	@$(PY) -m pip install -qq --no-deps -r requirements/stubs.txt

test-all: ## run the tests on every Python from 3.11 to 3.13 that is found
	@tried=; for version in 3.11 3.12 3.13; do \
		python=$$(requirements/find-python python$$version) || { echo "python$$version is not here: skipped"; continue; }; \
		echo "== $$python"; $(MAKE) --no-print-directory test PYTHON="$$python" || exit 1; tried="$$tried $$version"; \
	done; echo "passed on:$$tried"

check: $(DEV) ## formatting, lint rules, types and the layers, without changing anything
	@$(PY) -m ruff format --check
	@$(PY) -m ruff check
	@$(PY) -m mypy
	@$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

lint: $(DEV) ## format, and mend what ruff can mend
	@$(PY) -m ruff format
	@$(PY) -m ruff check --fix

bench: $(RUN) ## measure against other servers (needs Debian's wrk and g++; downloads Triton once, see benchmarks/)
	@$(PY) benchmarks/http_lane.py $(ARGS)

bench-peers: $(DEV) ## measure against seven other systems (installs each once, 2 GB; a quarter of an hour)
	@$(PY) benchmarks/peers.py $(ARGS)

# uv resolves for every Python and platform at once. The packages' hashes make an installation exactly what was tested.
COMPILE = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --no-config --custom-compile-command 'make lock'
# Frameworks come in builds of several kinds (with and without CUDA): pinned by version, not by hash.
CUDA = $(foreach name,cublas cuda-cccl cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse \
	cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx,--no-emit-package nvidia-$(name)) --no-emit-package triton \
	--no-emit-package cuda-bindings --no-emit-package cuda-pathfinder --no-emit-package cuda-toolkit
lock: | .venv-lock/bin/uv ## resolve requirements/*.txt again (UPGRADE=1: with the newest versions)
	$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml requirements/build.in --extra examples --extra grpc --group dev -o requirements/dev.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml requirements/build.in --extra examples -c requirements/dev.txt -o requirements/run.txt
	$(filter-out --generate-hashes,$(COMPILE)) $(if $(UPGRADE),--upgrade) $(CUDA) pyproject.toml requirements/frameworks.in \
		--extra formats -c requirements/dev.txt -o requirements/frameworks.txt

clean: ## remove the environments, the trained examples and the tools' caches (not peers/, a big download)
	rm -rf .venv .venv-* build dist examples/models examples/*/models .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './peers/*' -prune -exec rm -rf {} +

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "Modelport needs Python 3.11 or later: install it, or name it with PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "making $(VENV) with $(PYTHON)"
	@"$(PYTHON)" -m venv --clear $(VENV) || { rm -rf $(VENV); echo "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

# `modelport` itself is installed in place, by the build tools of the lock file: nothing else is downloaded.
define install
@echo "installing $< into $(VENV)"
@$(PY) -m pip install -qq --require-hashes -r $<
@$(PY) -m pip install -qq --no-deps --no-build-isolation -e .
@touch $@
endef

$(RUN): requirements/run.txt pyproject.toml $(NATIVE) $(VENV)/.created
	$(install)

$(DEV): requirements/dev.txt pyproject.toml $(NATIVE) $(VENV)/.created
	$(install)

.venv-lock/bin/uv:
	@"$(PYTHON)" -m venv .venv-lock
	@.venv-lock/bin/python -m pip install -qq $(UV)

endif
