# What a contributor or a newcomer runs. Every target sets up what it needs and says so; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak format docs clean

bin := .venv/bin

help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: ## the main job on this machine: emulator, datastore, mount, proof; Ctrl-C ends it
	@deploy/setup.sh system run
	@deploy/setup.sh python daemon,demo
	@$(bin)/mountd demo

test: setup-test check ## format, lint, types, architecture and all tests
	@$(bin)/pytest --durations=15

check: setup-python ## format, lint, types, architecture: seconds
	@$(bin)/ruff format --check --quiet . || { echo "make format mends this" >&2; exit 1; }
	@$(bin)/ruff check --quiet .
	@$(bin)/mypy
	@$(bin)/lint-imports --no-logo

format: setup-python ## formats the code
	@$(bin)/ruff format .
	@$(bin)/ruff check --fix .

docs: setup-python ## writes the generated documents anew
	@$(bin)/python -m mountd.config --markdown > docs/CONFIGURATION.md
	@$(bin)/python -m mountd.config --example > config.example.yaml
	@$(bin)/python -m bench.report docs/PERFORMANCE.md --document

bench: setup-python ## mountd beside rclone, a table and a plot in under ten minutes; ARGS="--network B --check …"
	@$(bin)/python -m bench --json bench/results/bench-latest.json --plot bench/results/bench-latest.png $(ARGS)

soak: setup-test ## the long runs, ten minutes each; their reports go to bench/results/
	@$(bin)/python -m bench.mixed
	@$(bin)/python -m bench.soak

clean: ## removes what the targets above made here
	rm -rf .venv .build dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: setup-python setup-test
setup-python:
	@deploy/setup.sh system run
	@deploy/setup.sh python daemon,demo,dev,bench

setup-test: setup-python
	@deploy/setup.sh system test
	@deploy/setup.sh azurite
