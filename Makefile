# Two commands for a fresh machine. Each makes a virtual environment of its own.
#   make demo   installs one backend (JAX) and trains a VAE on real digits that need no download
#   make test   installs all three backends and runs linter and tests on each; make smoke, a few of them
PYTHON ?= python3
# PyTorch first: what no backend can change is tested on the first one only, and PyTorch starts soonest.
BACKENDS ?= torch jax tensorflow
# By files, because on JAX a second process would compile the same programs once more.
PYTEST_ARGS ?= --numprocesses auto --dist loadfile
# What JAX has compiled, for all processes and for the next time.
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.venv/jax

# A first look, per backend: the engine, and the contract of models with one, two and three players.
SMOKE_ARGS ?= tests/engine/test_engine.py tests/engine/test_by_hand.py tests/models/test_models.py \
	-k "test_engine or test_by_hand or contract[vae- or contract[gan- or contract[aae-"
# Keras for `make test-latest`: the nightly, or `keras` for the release.
KERAS ?= keras-nightly

.PHONY: demo test smoke test-floor test-latest types lint install clean
.DEFAULT_GOAL := demo

demo: .venv-demo/ready
	.venv-demo/bin/genzoo train vae --epochs 50 --batch-size 16 --backend jax

test: install lint
	@which="not slow"; for backend in $(BACKENDS); do \
		echo "== tests on $$backend =="; \
		KERAS_BACKEND=$$backend .venv/bin/pytest -m "$$which" $(PYTEST_ARGS) || exit 1; \
		which="not slow and not once"; \
	done

# For between two changes: make smoke BACKENDS=jax
smoke: install
	$(call smoke,.venv)

# The same tests on the oldest versions that pyproject.toml allows, and on the newest that there are. Each has an
# environment with all three backends, by uv; UV_TORCH_BACKEND=cpu spares the gigabytes of CUDA that PyTorch brings.
#   make test-floor PYTHON=python3.11
#   make test-latest PYTHON=python3.13 BACKENDS=jax
test-floor: .venv-floor/ready
	.venv-floor/bin/uv pip list --python .venv-floor
	$(call smoke,.venv-floor)

# Upgraded every time. The nightly and the release are one package under two names, so one of them has to go: the
# override forbids `keras` to all that require it.
test-latest: .venv-latest/bin/uv
	.venv-latest/bin/uv pip uninstall --quiet --python .venv-latest keras keras-nightly
	echo '$(if $(filter keras-nightly%,$(KERAS)),keras; python_version < "3")' > .venv-latest/overrides.txt
	.venv-latest/bin/uv pip install --quiet --python .venv-latest --upgrade --override .venv-latest/overrides.txt \
		--editable ".[all,test,reference]" "$(KERAS)"
	.venv-latest/bin/uv pip list --python .venv-latest
	$(call smoke,.venv-latest)

define smoke
@for backend in $(BACKENDS); do \
	echo "== smoke tests on $$backend, $(1) =="; \
	KERAS_BACKEND=$$backend $(1)/bin/pytest -m "not slow" $(SMOKE_ARGS) || exit 1; \
done
endef

# Ours, by pyproject.toml; then a script as a user's checker sees it, which reads Keras' source.
types: install
	.venv/bin/pyright --pythonpath .venv/bin/python
	.venv/bin/pyright --pythonpath .venv/bin/python --project tests/types

lint: install
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

install: .venv/ready

.venv-demo/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install --quiet --constraint constraints.txt --editable ".[jax,data]"
	touch $@

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --constraint constraints.txt --editable ".[all,test,reference,tables]"
	touch $@

# Made anew, because uv keeps what is installed and allowed.
.venv-floor/ready: pyproject.toml
	$(PYTHON) -m venv --clear .venv-floor
	.venv-floor/bin/pip install --quiet uv
	.venv-floor/bin/uv pip install --quiet --python .venv-floor --resolution lowest-direct --editable ".[all,test,reference]"
	touch $@

.venv-latest/bin/uv:
	$(PYTHON) -m venv .venv-latest
	.venv-latest/bin/pip install --quiet uv

clean:
	rm -rf .venv .venv-demo .venv-floor .venv-latest build dist *.egg-info
