"""What stands before every operation, whatever protocol brought it: how often, how large, how dear."""

from collections.abc import Mapping

from router.execution.prepared import Prepared
from router.gateway.access.cost import CostCheck
from router.gateway.access.limits import LimitCheck
from router.gateway.access.rates import Rates
from router.gateway.served import Serving
from router.gateway.settings import Settings
from shared.wire.principal import Principal


class Gate:
    """Lets an operation in, or refuses it before anything is fetched for it. One for the process: it counts."""

    def __init__(self, settings: Settings) -> None:
        """Start with nothing counted."""
        self._limits = LimitCheck(settings.limits)
        self._costs = CostCheck(settings.cost)
        self._rates = Rates(settings)

    def headers(self, principal: Principal | None) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that tell a caller what is left of their allowances."""
        return self._rates.headers(principal) if principal is not None else ()

    def admit(
        self,
        query: str,
        name: str | None,
        variables: Mapping[str, object] | None,
        *,
        principal: Principal | None,
        serving: Serving,
    ) -> Prepared:
        """Return the operation, prepared; without a principal, in a plain router, its cost is nobody's concern.

        Raises RateExceeded, LimitExceeded, Forbidden, or what is wrong with the document.
        """
        if principal is not None:
            self._rates.count(principal)
        self._limits.check(query)
        graph = serving.graph
        prepared = graph.prepare(query, name, variables)
        serving.guards.check(prepared, principal)
        if principal is None:
            return prepared
        cost = self._costs.check(prepared, graph.supergraph, variables or {})
        self._rates.spend(principal, cost)
        return prepared
