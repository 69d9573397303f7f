"""Why `mewayz` does not start: one sentence, what to do about it, and an exit code of its own."""

from shared.errors import Unavailable


class StartFailure(Unavailable):
    """The platform can't start here. `remedy` is the command or change that helps; `exit_code` is the shell's."""

    code = "START"
    exit_code = 1

    def __init__(self, message: str, remedy: str) -> None:
        """Say what is wrong, and what to do."""
        super().__init__(message, remedy=remedy)
        self.remedy = remedy

    def __str__(self) -> str:
        """Return both sentences, as printed."""
        return f"{self.message}\n  → {self.remedy}"


class PortTaken(StartFailure):
    """Another program listens on the port."""

    code, exit_code = "E01", 10

    def __init__(self, port: int) -> None:
        """Name the port."""
        super().__init__(f"Port {port} is taken by another program.", f"./justw up --port {port + 1}")


class WrongGatewayFile(StartFailure):
    """The file of `--gateway` can't be read, or says what it may not."""

    code, exit_code = "E11", 19

    def __init__(self, path: object, why: str) -> None:
        """Name the file and what is wrong with it."""
        super().__init__(f"{path} can't be used: {why}.", "docs/operations.md, 'The gateway's edge', shows such a file")


class NoUser(StartFailure):
    """PostgreSQL refuses root, and no other user can be had."""

    code, exit_code = "E05", 14

    def __init__(self, folder: object) -> None:
        """Name the data folder that the other user can't reach."""
        super().__init__(
            f"PostgreSQL refuses to run as root, user namespaces are refused here, and uid 65534 can't reach {folder}.",
            "start as a normal user, or choose a folder open to all: ./justw up --data /var/tmp/mewayz",
        )


class UnusableFolder(StartFailure):
    """The data folder can't hold a database."""

    code, exit_code = "E06", 15


class NoSpace(StartFailure):
    """The disk is nearly full."""

    code, exit_code = "E07", 16

    def __init__(self, folder: object, *, free_mb: int, needed_mb: int) -> None:
        """Name the folder and both amounts."""
        super().__init__(
            f"{free_mb} MB free at {folder}; a start needs {needed_mb} MB.", "./justw up --data /another/disk"
        )


class AlreadyRunning(StartFailure):
    """The data folder is in use by a running platform. Nothing is wrong, so the exit code is 0."""

    code, exit_code = "E08", 0

    def __init__(self, holder: str) -> None:
        """Say who holds it: pid and address as the lock file has them."""
        super().__init__(
            f"mewayz is already running here: {holder}.",
            "nothing to do. Stop it: ./justw down.  A second one: ./justw up --data var2 --port 8001",
        )


class NewerData(StartFailure):
    """A newer release wrote the data folder."""

    code, exit_code = "E09", 17

    def __init__(self, folder: object, *, found: str, known: str) -> None:
        """Name both versions."""
        super().__init__(
            f"{folder} was written by a newer mewayz ({found}); this one reads {known}. The data is untouched.",
            "use the newer release, or start empty: ./justw up --data var-new",
        )


class ServerFailed(StartFailure):
    """PostgreSQL or NATS didn't come up."""

    code, exit_code = "E10", 18

    def __init__(self, server: str, *, log: object, last_line: str) -> None:
        """Name the server, where its log lies, and the log's last line."""
        super().__init__(f"{server} did not start: {last_line or 'it wrote nothing'}.", f"read {log}")


class NotRunning(StartFailure):
    """A command needs a running platform, and there is none."""

    code, exit_code = "NOT_RUNNING", 3

    def __init__(self, folder: object) -> None:
        """Name the data folder that was asked about."""
        super().__init__(f"mewayz is not running with data in {folder}.", "start it: ./justw up")
