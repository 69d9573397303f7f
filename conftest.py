"""Makes the fixtures of tests/services.py known to tests everywhere, those inside modules too."""

pytest_plugins = ["tests.services"]
