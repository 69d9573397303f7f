"""`python -m mewayz` is `mewayz`."""

from mewayz.cli import main

main()
