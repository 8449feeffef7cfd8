# predex on a machine with Python >= 3.11, git and make. `make run` and `make test` do everything.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8000
CHECKED := DJANGO_SETTINGS_MODULE=tests.settings
PYTEST := $(BIN)/python -m pytest -q
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
# Clients of other venues, for tests alone: each in a folder of its own, as they may share names.
SDKS := $(patsubst tests/compat/%.txt,$(VENV)/sdks/%/.installed,$(wildcard tests/compat/*.txt))

.PHONY: help run dev env venv test check soak bench lock assets messages clean

help:
	@echo "make run    the exchange with demo markets on http://$(HOST):$(PORT)"
	@echo "make test   the whole test suite, on SQLite and on PostgreSQL + Redis"
	@echo "make check  linters, types, import contracts, migrations, templates"
	@echo "make soak   the long runs      make bench  the measurements, as JSON"
	@echo "make dev    daphne's runserver make lock   pin the requirements again (needs uv)"
	@echo "make messages the words of pages again (needs gettext)"
	@echo "make screenshots  the pictures in docs/screenshots again (needs Chromium)"
	@echo "make assets the site's CSS, icons and vendored JavaScript again (needs node)"

run: $(VENV)/.installed env
	@echo "==> Migrating the database"
	@$(BIN)/python manage.py migrate --verbosity 0
	@echo "==> Creating what the demo needs (kept if it is there)"
	@$(BIN)/python manage.py seed_demo
	@echo "==> Starting predex on http://$(HOST):$(PORT)"
	@exec $(BIN)/python manage.py serve --host $(HOST) --port $(PORT) --demo

dev: $(VENV)/.installed env
	@$(BIN)/python manage.py migrate --verbosity 0
	@exec $(BIN)/python manage.py dev $(HOST):$(PORT)

env: $(VENV)/.installed
	@echo "==> Secrets"
	@$(BIN)/python -m predex.bootstrap .env

venv: $(VENV)/.installed-dev $(SDKS)

test: $(VENV)/.installed-dev $(SDKS)
	@$(BIN)/python -m tests.suite

check: $(VENV)/.installed-dev
	@echo "==> ruff" && $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "==> mypy" && $(BIN)/mypy .
	@echo "==> import contracts" && $(BIN)/lint-imports --no-cache
	@echo "==> Django" && $(CHECKED) $(BIN)/python manage.py check
	@echo "==> migrations" && $(CHECKED) $(BIN)/python manage.py makemigrations --check --dry-run
	@echo "==> templates" && $(BIN)/djlint . --quiet --lint

soak: $(VENV)/.installed-dev
	@result=0; \
	echo "==> A million commands on both engines"; \
	PREDEX_SOAK=1 $(PYTEST) tests/engine/test_state_machine.py --timeout 0 || result=1; \
	echo "==> Kills, races, outages, all recorded sessions, deployments"; \
	$(PYTEST) -m soak --timeout 0 || result=1; \
	exit $$result

bench: $(VENV)/.installed-dev
	@$(BIN)/python -m bench

lock:
	@for name in requirements requirements-dev $(basename $(wildcard tests/compat/*.in)); do \
	  uv pip compile --quiet --universal --python-version $$(case $$name in *-new) echo 3.13;; *) echo 3.11;; esac) --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --custom-compile-command "make lock" $$name.in -o $$name.txt || exit 1; \
	done

# Rebuilt files are committed: running the site needs no node.
messages: $(VENV)/.installed-dev
	@$(CHECKED) $(BIN)/python manage.py makemessages -l de --no-wrap --add-location file --no-obsolete \
	  -i "node_modules" -i ".venv" -i "static/*" -i "tests/*" -i "bench/*" -i "data/*" -i "bots/*"
	@$(CHECKED) $(BIN)/python manage.py compilemessages -l de -i .venv

assets:
	@cd assets && { [ -d node_modules ] || npm ci --silent; } && npm run --silent build

screenshots: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.browser.screenshots

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# --- the virtual environment: made once, filled again when a lock file changes --------------------
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "predex needs Python >= 3.11")'
	@echo "==> Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	@echo "==> Installing requirements.txt"
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt | $(VENV)/bin/python
	@echo "==> Installing requirements-dev.txt"
	@$(PIP) -r requirements-dev.txt
	@touch $@ $(VENV)/.installed

$(VENV)/sdks/%/.installed: tests/compat/%.txt | $(VENV)/.installed-dev
	@echo "==> Installing $< beside the exchange"
	@rm -rf $(@D)
	@$(PIP) $(if $(filter %-new,$(@D)),--ignore-requires-python) --target $(@D) -r $<
	@touch $@
