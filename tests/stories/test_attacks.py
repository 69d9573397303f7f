"""What graphql-cop and its like try, and what must not lie in logs or in a module's memory (security.md, E4 and F)."""

import http.client
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.stories.world import F0, fresh_id

_INTROSPECT = "{ __schema { types { name } } }"
_LIST = "{ customers(first: 1) { totalCount } }"


def send(
    one: F0, method: str, path: str, body: str | None, token: str | None, **headers: str
) -> tuple[int, Any, dict[str, str]]:
    """Send one request to the gateway; return status, JSON answer and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", one.world.platform.port, timeout=20)
    given = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {}), **headers}
    connection.request(method, path, body, given)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content) if content[:1] in (b"{", b"[") else None, dict(answer.getheaders())


def post(one: F0, query: str, token: str | None, **more: Any) -> tuple[int, Any, dict[str, str]]:
    return send(one, "POST", "/graphql", json.dumps({"query": query, **more}), token)


@pytest.mark.parametrize("query", [_INTROSPECT, "{ __typename }", "{ custmers { id } }", "not GraphQL {{{", _LIST])
def test_without_a_token_every_document_is_answered_alike(lumen: F0, query: str) -> None:
    """Threats 10, 23: no introspection, no suggestion, no word about whether it would parse"""
    status, answer, _ = post(lumen, query, None)

    assert status == 401
    assert answer == post(lumen, "{ a }", None)[1]
    assert "Did you mean" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{" + " ".join(f"a{n}: __typename" for n in range(101)) + "}", "ALIASES_LIMIT"),
        ("{ __typename " + "@skip(if: false) " * 50 + "}", "DIRECTIVES_LIMIT"),
        ("{" + "__typename " * 2100 + "}", "TOKENS_LIMIT"),
        ("{ __schema { types " + "{ fields { type " * 12 + "{ name }" + "} }" * 12 + " } }", "INTROSPECTION_DEPTH_LIMIT"),
        ("{ customers(first: 100) { nodes { deals(first: 50) { invoices(first: 50) { id } } } } }", "COST_LIMIT"),
    ],
)  # fmt: skip
def test_an_overload_is_refused_before_anything_is_fetched(lumen: F0, query: str, code: str) -> None:
    """Threats 20 to 22: aliases, directives, repeated fields, circular introspection, lists of lists"""
    status, answer, _ = post(lumen, query, lumen.world.token("lumen"))

    assert status in (200, 400)
    assert answer["errors"][0]["extensions"]["code"] == code
    assert "data" not in answer or answer["data"] is None


def test_nothing_is_asked_in_batches_by_forms_or_by_get(lumen: F0) -> None:
    """Threats 19, 20: batches, urlencoded bodies, mutations by GET"""
    token = lumen.world.token("lumen")
    operation = json.dumps({"query": _LIST})
    form = send(
        lumen,
        "POST",
        "/graphql",
        "query=%7B__typename%7D",
        token,
        **{"content-type": "application/x-www-form-urlencoded"},
    )
    plain = send(lumen, "POST", "/graphql", operation, token, **{"content-type": "text/plain"})
    batch = send(lumen, "POST", "/graphql", f"[{operation},{operation}]", token)
    mutation = send(
        lumen, "GET", "/graphql?query=mutation%7BmarkAllRead(input:%7B%7D)%7BuserErrors%7Bcode%7D%7D%7D", None, token
    )

    assert [form[0], plain[0], batch[0], mutation[0]] == [415, 415, 400, 405]


def test_an_answer_carries_no_trace_and_tells_browsers_to_be_careful(lumen: F0) -> None:
    """graphql-cop: trace mode; Apollo's tracing header; security headers"""
    token = lumen.world.token("lumen")
    status, answer, headers = send(
        lumen, "POST", "/graphql", json.dumps({"query": _LIST}), token, **{"x-apollo-tracing": "1"}
    )

    assert status == 200
    assert "extensions" not in answer
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "server" not in {name.lower() for name in headers}
    assert "access-control-allow-origin" not in {name.lower() for name in headers}


@pytest.mark.parametrize(
    "text", ["' or 1=1 --", '"; select pg_sleep(9); --', "a' union select null, null --", "$1", "\\", "{{7*7}}"]
)
def test_what_looks_like_sql_is_a_text_like_any_other(lumen: F0, text: str) -> None:
    """Threat 3: a filter with it finds nothing, a row with it holds it"""
    query = "query($t: String) { customers(filter: {name: {eq: $t}}) { totalCount } }"

    assert lumen.ask(query, t=text) == {"data": {"customers": {"totalCount": 0}}}
    made = lumen.do("registerCustomer", "customer { name }", name=f"{text} {fresh_id()}", currency="CNY")
    assert made["name"].startswith(text)


def test_no_log_holds_what_people_wrote_or_what_lets_somebody_in(lumen: F0) -> None:
    """Threat 29: texts, variables, passwords and tokens of commands, refusals and failed sign-ins, in every log"""
    canary = f"canary{fresh_id().replace('-', '')}"
    token = lumen.world.token("lumen")
    lumen.do("registerCustomer", "customer { id }", name=canary, currency="CNY", email=f"{canary}@example.test")
    lumen.command("registerCustomer", "customer { id }", name=canary, currency=canary)  # refused
    post(lumen, "query($x: Int!) { " + canary + "(id: $x) }", token, variables={"x": canary})  # no such field
    post(lumen, _LIST, f"{token}{canary}")
    login = json.dumps({"email": f"{canary}@example.test", "password": canary, "tenant": "lumen"})
    send(lumen, "POST", "/auth/login", login, None)
    lumen.world.settle()  # whoever hears of it has written what it writes

    logs = [path for path in (lumen.world.platform.data / "log").rglob("*") if path.is_file()]

    assert len(logs) > 8
    secrets = [
        path.read_text().split()[0] for path in (lumen.world.platform.data / "secrets").iterdir() if path.is_file()
    ]
    for log in logs:
        written = log.read_text(errors="replace")
        assert canary not in written, f"{log.name} holds what a person wrote"
        assert not re.search(r"eyJ[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}", written), f"{log.name} holds a token"
        assert not [one for one in secrets if len(one) > 20 and one in written], f"{log.name} holds a secret"


def test_no_module_holds_the_key_that_signs_for_all(lumen: F0) -> None:
    """Threat 13: the router's private key lies in the router's memory and in no module's"""
    data = lumen.world.platform.data
    written = (data / "secrets" / "router-signing-key").read_text().split()[0]
    status = lumen.world.platform.status()
    modules = {one["name"]: one["pid"] for one in status["modules"] if one["pid"]}

    assert _holds(status["router"]["pid"], written), "the scan finds the key where it is"
    assert len(modules) >= 6
    assert [name for name, pid in modules.items() if _holds(pid, written)] == []


def _holds(pid: int, key: str) -> bool:
    """Whether a process's writable memory holds a key, as bytes or as text."""
    wanted = (bytes.fromhex(key), key.encode())
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            if not rights.startswith("rw"):
                continue
            begin, end = (int(one, 16) for one in span.split("-"))
            try:
                memory.seek(begin)
                found = memory.read(end - begin)
            except (OSError, ValueError, OverflowError):
                continue  # what the kernel keeps to itself
            if any(one in found for one in wanted):
                return True
    return False
