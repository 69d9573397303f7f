"""Privacy & Consent: requests to see or erase a person's data, and what each module answered."""

from shared.module import Module
from subgraphs.privacy import events, graph, handlers, models, routes

module = Module(
    "privacy", name="Privacy & Consent", area="Platform & Security", parts=(events, models, graph, handlers, routes)
)
