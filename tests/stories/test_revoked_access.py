"""Access that is taken back ends in the running platform, through identity's outbox, NATS and the router (threat 18)."""

import time

import jwt

from tests.stories.world import World
from tests.waiting import until


def test_an_ended_session_is_refused_everywhere_soon(world: World) -> None:
    platform = world.platform
    token, other = (
        platform.token("harbour", "member@harbour.example"),
        platform.token("harbour", "member@harbour.example"),
    )
    session = jwt.decode(token, options={"verify_signature": False})["sid"]
    end = "mutation($id: ID!) { endSession(input: {sessionId: $id}) { session { endedAt } userErrors { code } } }"

    def status(one: str) -> int:
        return platform.request("POST", "/graphql", {"query": "{ me { id } }"}, token=one)[0]

    assert status(token) == 200
    assert platform.graphql(end, {"id": session}, token=other)["data"]["endSession"]["session"]["endedAt"]
    began = time.monotonic()
    until(lambda: status(token) == 401)

    print(f"refused after {time.monotonic() - began:.3f} s")
    assert status(other) == 200
