"""Why Support says no."""

from uuid import UUID

from shared.errors import Refusal


class TicketIsClosed(Refusal):
    """A closed ticket is final (SUP-6)."""

    code = "TICKET_CLOSED"

    def __init__(self, number: str) -> None:
        """Name the ticket."""
        super().__init__("The ticket {number} is closed: open a new one that follows it up.", number=number)


class NotResolved(Refusal):
    """Only a resolved ticket is closed."""

    code = "NOT_RESOLVED"

    def __init__(self, number: str) -> None:
        """Name the ticket."""
        super().__init__("The ticket {number} is not resolved: resolve it before you close it.", number=number)


class NotTeamMember(Refusal):
    """A team's ticket goes to a member of the team."""

    code = "NOT_TEAM_MEMBER"

    def __init__(self, user_id: UUID, team: str) -> None:
        """Name the user and the team."""
        super().__init__(
            "The user {user_id} is not in the team {team!r}: choose a member, or another team.",
            user_id=user_id,
            team=team,
        )


class DifferentCustomers(Refusal):
    """Tickets of two customers are merged only on purpose."""

    code = "DIFFERENT_CUSTOMERS"

    def __init__(self) -> None:
        """Say so."""
        super().__init__("The two tickets belong to different customers: merge them with force if you are sure.")


class OverlappingPolicy(Refusal):
    """Each priority has one active policy, so that the choice at opening is clear (SUP-2)."""

    code = "OVERLAPPING_POLICY"

    def __init__(self, name: str, priority: str) -> None:
        """Name the policy that is there."""
        super().__init__(
            "The policy {name!r} already holds for {priority}: change it, or switch it off first.",
            name=name,
            priority=priority,
        )
