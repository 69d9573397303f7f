"""Every performance figure of the documentation is a command: `./justw bench NAME --json`."""
