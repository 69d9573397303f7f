"""What the database itself refuses of a change, as an answer."""

from shared.errors import Refusal


class UniqueTaken(Refusal):
    """Another row of the tenant has the same value in a unique key."""

    code = "VALIDATION"

    def __init__(self, constraint: str) -> None:
        """Name the unique key."""
        super().__init__("Another row already has this value: choose another one.", constraint=constraint)


class OutOfRange(Refusal):
    """A number is larger than its column."""

    code = "VALIDATION"

    def __init__(self) -> None:
        """Say so; the database doesn't tell which."""
        super().__init__("A number is too large to be kept: choose a smaller one.")
