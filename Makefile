# Everything a newcomer needs: `make demo` and `make test` do their own set-up.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
# One thread a process: two test processes with two threads each are several times slower.
PYTEST  = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/pytest -n 2
SOURCES = pyproject.toml constraints.txt CMakeLists.txt $(shell find src/thalweg/native/kernels -type f)
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

SANITIZED = build/sanitized

# From z to a: the longest are not the last, with which a core would be alone.
QUICK = $(basename $(notdir $(shell grep -l '^\[presets.quick\]' src/thalweg/recipes/*.toml | sort -r)))

.PHONY: demo test test-slow test-tutorials test-integrations soak studies-quick docs packages check fuzz sanitize bench clean

demo: $(VENV)/.installed
	$(BIN)/thalweg demo

test: $(VENV)/.installed-dev
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.installed-dev
	$(PYTEST) -m slow

test-tutorials: $(VENV)/.installed-dev
	$(PYTEST) tests/tutorials

# The callbacks of Lightning and Hugging Face, the trackers and pandas, in the real libraries.
test-integrations: $(VENV)/.installed-integrations
	$(PYTEST) tests/instruments tests/trackers tests/store/test_frames.py

# The tests of faults at their longest, a line a fault (docs/reliability.md); disks need root.
soak: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python tests/soak.py

# Every recipe from end to end at its smallest, as many side by side as there are cores.
studies-quick: $(VENV)/.installed
	$(MAKE) --jobs $$(getconf _NPROCESSORS_ONLN) --output-sync $(QUICK:%=study-%)

study-%: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/thalweg run $* --preset quick --jobs 1 --out build/studies

# The documentation site, in build/site: a warning, such as of a link that leads nowhere, is an error.
docs: $(VENV)/.installed-docs
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/sphinx-build --fail-on-warning --keep-going --quiet \
	  -d build/site-cache docs build/site
	@echo "build/site/index.html"

# The wheel and the source distribution, each installed into an empty environment and tried there.
packages: $(VENV)/.installed-dev
	$(BIN)/python tests/packages.py

check: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/security/dependencies.py

# Readers of strangers' files under coverage-guided fuzzing, ten minutes in all by default.
FUZZ_SECONDS ?= 150
fuzz: $(VENV)/.installed-dev
	for target in idx study tensors table; do \
	  echo "== $$target" && OMP_NUM_THREADS=1 nice -n 10 $(BIN)/python tests/fuzz/fuzz.py $$target $(FUZZ_SECONDS) \
	    || exit 1; \
	done

# The tests of the kernels on a library that stops at the first memory error or undefined behaviour,
# without those that take the same paths again on more samples or in another width.
sanitize: $(VENV)/.installed-dev
	$(BIN)/cmake -S . -B $(SANITIZED) -DTHALWEG_SANITIZE=ON -DCMAKE_BUILD_TYPE=Debug
	$(BIN)/cmake --build $(SANITIZED) --parallel 4
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so.6)" \
	ASAN_OPTIONS=detect_leaks=0 OMP_NUM_THREADS=1 THALWEG_REQUIRE_KERNELS=1 \
	THALWEG_KERNELS=$(SANITIZED)/_kernels.so \
	$(BIN)/pytest -n 2 tests/native -m "not slow" \
	  -k "not 1000 and not large and not training and not no_bit and not (float64 and portable) \
	      and not (lenet5 and (64 or 100 or None))"

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks.lenet5
	$(BIN)/python -m benchmarks.mlp
	$(BIN)/python -m benchmarks.rnn
	$(BIN)/python -m benchmarks.regression
	$(BIN)/python -m benchmarks.regression --grid --rounds 2
	$(BIN)/python -m benchmarks.rounds
	$(BIN)/python -m benchmarks.graphs
	$(BIN)/python -m benchmarks.hessian
	$(BIN)/python -m benchmarks.eigenpairs
	$(BIN)/python -m benchmarks.instruments
	$(BIN)/python -m benchmarks.landscape
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.on_ray
	$(BIN)/python -m benchmarks.rules
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.workers

clean:
	rm -rf $(VENV) build dist

$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit("Thalweg needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created $(SOURCES)
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.created $(SOURCES)
	$(INSTALL) --editable '.[dev]'
	touch $@

$(VENV)/.installed-bench: $(VENV)/.created $(SOURCES)
	$(INSTALL) --editable '.[bench]'
	touch $@

$(VENV)/.installed-integrations: $(VENV)/.created $(SOURCES)
	$(INSTALL) --editable '.[dev,integrations,tracking,pandas]' gradio-client python-multipart orjson brotli
	$(INSTALL) --no-deps trackio  # it asks for an older Pillow than the one of constraints.txt
	touch $@

$(VENV)/.installed-docs: $(VENV)/.created $(SOURCES)
	$(INSTALL) --editable '.[docs]'
	touch $@
