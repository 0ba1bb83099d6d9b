# Two commands for a fresh machine. Each makes a virtual environment of its own.
#   make demo   installs one backend (JAX) and trains a VAE on real digits that need no download
#   make test   installs all three backends and runs linter and tests on each
PYTHON ?= python3
BACKENDS ?= jax torch tensorflow
# By files, because on JAX a second process would compile the same programs once more.
PYTEST_ARGS ?= -m "not slow" --numprocesses auto --dist loadfile

.PHONY: demo test lint install clean
.DEFAULT_GOAL := demo

demo: .venv-demo/ready
	.venv-demo/bin/genzoo train vae --epochs 50 --batch-size 16 --backend jax

test: install lint
	@for backend in $(BACKENDS); do \
		echo "== tests on $$backend =="; \
		KERAS_BACKEND=$$backend .venv/bin/pytest $(PYTEST_ARGS) || exit 1; \
	done

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
	.venv/bin/pip install --quiet --constraint constraints.txt --editable ".[all,test]"
	touch $@

clean:
	rm -rf .venv .venv-demo build dist *.egg-info
