"""`mewayz explain`: what the router would ask of whom for an operation, without asking."""

import json
from pathlib import Path

from router.errors import InvalidInput
from router.execution.prepared import Graph
from router.planning.explain import explain_json, explain_mermaid, explain_text
from shared.errors import MewayzError


class NotExplained(MewayzError):
    """The operation or the supergraph is wrong."""

    code = "NOT_EXPLAINED"

    def __init__(self, reason: str) -> None:
        """Say what is wrong with it."""
        super().__init__(reason)


def explain(query: str, supergraph: Path, *, variables: str, operation: str | None, form: str) -> str:
    """Return the plan of an operation as `text`, `json` or `mermaid`. `variables` are JSON.

    Raises NotExplained.
    """
    try:
        given = json.loads(variables)
        graph = Graph.from_sdl(supergraph.read_text("utf-8"))
        plan = graph.prepare(query, operation, given).compiled.plan
    except InvalidInput as error:
        raise NotExplained(error.message) from error
    except (OSError, ValueError) as error:
        raise NotExplained(str(error)) from error
    if form == "json":
        return json.dumps(explain_json(plan), indent=2)
    return (explain_mermaid(plan) if form == "mermaid" else explain_text(plan)).rstrip()
