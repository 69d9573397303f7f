# The project's vocabulary: ./justw RECIPE. What runs the platform is `mewayz RECIPE`, by the same name.

set positional-arguments
set no-exit-message

# List the recipes
default:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# Start everything on this machine, until Ctrl-C
up *args:
    @exec .venv/bin/mewayz up "$@"

# Stop everything; nothing is lost
down *args:
    @.venv/bin/mewayz down "$@"

# Tell what is in the way of a start, and try one in a temporary folder
doctor *args:
    @.venv/bin/mewayz doctor "$@"

# Show what runs, what does not, and why
status *args:
    @.venv/bin/mewayz status "$@"

# Watch modules, requests and events live
top *args:
    @.venv/bin/mewayz top "$@"

# List every error code there is, and what it means
errors *args:
    @.venv/bin/mewayz errors "$@"

# Print the addresses of what runs
urls *args:
    @.venv/bin/mewayz urls "$@"

# Print the end of the logs
logs *args:
    @.venv/bin/mewayz logs "$@"

# Hold a module down until it is started again
stop *args:
    @.venv/bin/mewayz stop "$@"

# Let a stopped or parked module run again
start *args:
    @.venv/bin/mewayz start "$@"

# Stop a module and start it again, with its code as it is now
restart *args:
    @.venv/bin/mewayz restart "$@"

# Print an access token
token *args:
    @.venv/bin/mewayz token "$@"

# Demo data: `demo logins`
demo *args:
    @.venv/bin/mewayz demo "$@"

# Print schema/ from the modules' code
compose *args:
    @.venv/bin/mewayz compose "$@"

# Show which modules an operation asks for what: `explain '{ deals { nodes { id } } }'`
explain *args:
    @.venv/bin/mewayz explain "$@"

# Tell what a new supergraph changes for clients: `diff OLD NEW`
diff *args:
    @.venv/bin/mewayz diff "$@"

# Write a new module: `new-module loyalty`
new-module *args:
    @.venv/bin/mewayz new-module "$@"

# Write a module's next migration: `migration crm "add priority"`
migration *args:
    @.venv/bin/mewayz migration "$@"

# Run the tests
test *args:
    @.venv/bin/python -m pytest -n 2 --dist loadgroup --durations=30 --durations-min=3 "$@"

# Check every record and seal of the audit log, say what is kept: `audit verify`
audit *args:
    @.venv/bin/mewayz audit "$@"

# Events that are parked, lost or older than a module: `events rebuild projects` (docs/events.md)
events *args:
    @.venv/bin/mewayz events "$@"

# Write what all modules hold of a person: `privacy export --tenant lumen --email ada@example.com -o ada.json`
privacy *args:
    @.venv/bin/mewayz privacy "$@"

# Prove that no query reaches another company's data: `prove-isolation --json`, quicker with `--short`
prove-isolation *args:
    @.venv/bin/mewayz prove-isolation "$@"

# Exchange keys and passwords while everything runs: `secrets rotate`, or one of router-key, databases, nats
secrets *args:
    @.venv/bin/mewayz secrets "$@"

# Let schemathesis, clairvoyance and pip-audit loose on a platform of its own: `attack --seconds 540`
attack *args:
    @cmp -s requirements-attack.lock .venv-attack/lock || { .venv/bin/python -m venv .venv-attack && .venv-attack/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-attack.lock && cp requirements-attack.lock .venv-attack/lock; }
    @.venv/bin/python -m tests.attack.run "$@"

# Lint, types, import contracts, schema and error page up to date
[parallel]
check: lint types contracts schema

# Ruff: faults and format
lint:
    @.venv/bin/ruff check || { echo "  → ./justw fix  mends what can be mended; for the rest the rule's name leads to its page" >&2; exit 1; }
    @.venv/bin/ruff format --check || { echo "  → ./justw fix" >&2; exit 1; }

# Types, strict on router/ and shared/
types:
    @.venv/bin/basedpyright || { echo "  → mend the types; a '# pyright: ignore[rule]' says why" >&2; exit 1; }

# Who may import whom
contracts:
    @.venv/bin/lint-imports || { echo "  → arrows go one way: docs/architecture.md, 'Rooms'; a module never imports a module" >&2; exit 1; }

# schema/ and docs/errors.md are what the code says
schema:
    @.venv/bin/mewayz compose --check || { echo "  → ./justw fix, then review the difference in schema/" >&2; exit 1; }
    @.venv/bin/mewayz errors --markdown | cmp -s - docs/errors.md || { echo "✘ docs/errors.md is old"; echo "  → ./justw fix" >&2; exit 1; }

# Mend what a machine can mend: lint, format, schema, error page
fix:
    -.venv/bin/ruff check --fix
    .venv/bin/ruff format
    .venv/bin/mewayz compose
    .venv/bin/mewayz errors --markdown > docs/errors.md

# Everything that CI runs
ci: check test

# Build web/graphiql again, with Node from a wheel (nobody needs it to run the platform)
graphiql:
    @.venv/bin/python web/graphiql/build.py

# Measure: `bench startup --json`
bench name *args:
    @shift; .venv/bin/python -m benchmarks.{{ name }} "$@"

# Draw the documentation's pictures again (needs Chromium and, for Mermaid, npm)
pictures:
    @.venv/bin/python web/pictures/make.py

# Build the documentation as a site into var/site; `docs serve` shows it at localhost:8000 while you write
docs action="build":
    @.venv/bin/zensical "$1" {{ if action == "build" { "--strict --clean" } else { "" } }}
