"""The order of a request: who asks, what is asked, may it, then run it, mask it, answer."""

from time import perf_counter

import msgspec
import structlog

from router.errors import BadRequest, Defect, RouterError
from router.execution.prepared import Prepared
from router.execution.run import Answer, execute
from router.gateway.access.credentials import credentials_of
from router.gateway.access.gate import Gate
from router.gateway.access.identity import Identity
from router.gateway.access.origins import Origins
from router.gateway.access.plans import may_see_plans
from router.gateway.errors import AnswerTooLarge, MethodNotAllowed
from router.gateway.fetching import Caller, Fetcher, Sender
from router.gateway.masking import mask, masked_message
from router.gateway.observe.audit import AuditTrail
from router.gateway.observe.metrics import Metrics
from router.gateway.observe.telemetry import Trace, trace_of
from router.gateway.protocol.asgi import ClientGone, Request, Response, Streamed
from router.gateway.protocol.http import JSON, Operation, answer, answer_type, check_post, read_get, read_post, refusal
from router.gateway.protocol.multipart import MULTIPART, accepts_parts, in_parts
from router.gateway.protocol.sse import EVENT_STREAM, event_stream
from router.gateway.served import ServedGraph
from router.gateway.settings import Settings
from router.gateway.shedding import Standing
from router.gateway.subscriptions import Subscriptions
from router.planning.explain import explain_json
from shared.wire.principal import Principal

log = structlog.get_logger()


class Pipeline:
    """Answers GraphQL requests. Without an `identity` (a plain router) anybody may ask."""

    def __init__(
        self,
        *,
        served: ServedGraph,
        gate: Gate,
        identity: Identity | None,
        fetcher: Fetcher,
        streams: Subscriptions,
        metrics: Metrics,
        settings: Settings,
        audit: AuditTrail,
        origins: Origins,
        standing: Standing,
    ) -> None:
        """Keep the parts; none is changed here."""
        self._standing = standing
        self._origins = origins
        self._served = served
        self._identity = identity
        self._fetcher = fetcher
        self._streams = streams
        self._metrics = metrics
        self._settings = settings
        self._gate = gate
        self._audit = audit

    async def respond(self, request: Request) -> Response | Streamed:
        """Return the answer or the refusal. Raises ClientGone where nobody waits any more."""
        trace = trace_of(request.headers.get(b"traceparent"))
        request_id = trace.request_id.encode()
        began = perf_counter()
        code = "GONE"
        media = JSON
        try:
            accept = request.headers.get(b"accept", b"")
            if EVENT_STREAM in accept:
                code = "STREAM"
                return await self._events(request, trace)
            media = JSON if accepts_parts(accept) else answer_type(accept)
            found = await self._answer(request, trace, in_pieces=accepts_parts(accept))
            if isinstance(found, Streamed):
                code = "STREAM"
                return found
            body = found.body()
            if len(body) > self._settings.answer_bytes:
                raise AnswerTooLarge(self._settings.answer_bytes)
            code = "PARTIAL" if found.errors else "OK"
            headers = self._gate.headers(request.principal)
            return answer(body, media=media, request_id=request_id, headers=headers)
        except RouterError as error:
            code = error.code
            self._audit.refused(error, request)
            log.info("request_refused", reference=trace.request_id, code=code, facts=error.facts)
            refused = refusal(error, media=media, request_id=request_id)
            return msgspec.structs.replace(refused, headers=(*refused.headers, *self._gate.headers(request.principal)))
        except ClientGone:
            raise
        except Exception:
            code = Defect.code
            log.exception("request_failed", reference=trace.request_id)
            return refusal(Defect(masked_message(None, trace.request_id)), media=media, request_id=request_id)
        finally:
            self._metrics.request(code, perf_counter() - began)

    async def _answer(self, request: Request, trace: Trace, *, in_pieces: bool) -> Answer | Streamed:
        principal = await self._principal(request)
        operation = await self._operation(request)
        serving = self._served.now
        prepared = self._gate.admit(
            operation.query, operation.operation_name, operation.variables, principal=principal, serving=serving
        )
        _check_kind(prepared, request.method)
        caller = Caller(principal, trace, may_repeat=prepared.operation == "query")
        if in_pieces and prepared.compiled.plan.is_incremental:
            pieces = self._streams.pieces(serving, prepared, operation, caller)
            headers = ((b"mewayz-request-id", trace.request_id.encode()),)
            chunks = self._standing.stream(in_parts(pieces), principal.tenant if principal else None)
            return Streamed(content_type=MULTIPART, chunks=chunks, headers=headers)
        sender = Sender(self._fetcher, serving.destinations, caller)
        work = execute(prepared, operation.variables, sender, self._settings.request_deadline_s)
        # A mutation may have been sent: it runs to its end, whether or not somebody still waits for the answer.
        found = await (work if prepared.operation == "mutation" else request.unless_gone(work))
        sender.tell_of_receipts(found)
        self._metrics.merge_conflicts(found.conflicts)
        if found.errors:
            self._audit.denied(found.errors, principal)
        if self._settings.mask_errors and found.errors:
            mask(found.errors, reference=trace.request_id)
        if operation.extensions and operation.extensions.get("plan") is True and may_see_plans(principal):
            found.extensions = {**(found.extensions or {}), "plan": explain_json(prepared.compiled.plan)}
        return found

    async def _events(self, request: Request, trace: Trace) -> Streamed:
        """Return the answers of any operation as server-sent events, until the caller's token expires or is revoked."""
        principal, over = await self._principal(request), None
        if self._identity is not None:
            over = (await self._identity.session(credentials_of(request))).over
        operation = await self._operation(request)
        answers = self._streams.answers(operation, principal, trace, is_safe=request.method == "GET")
        headers = ((b"mewayz-request-id", trace.request_id.encode()), (b"x-accel-buffering", b"no"))
        chunks = self._standing.stream(event_stream(answers, over=over), principal.tenant if principal else None)
        return Streamed(content_type=EVENT_STREAM, chunks=chunks, headers=headers)

    async def _principal(self, request: Request) -> Principal | None:
        if request.method not in ("GET", "POST"):
            raise MethodNotAllowed("GET", "POST")
        if self._identity is None:
            return None
        known = await self._identity.principal(credentials_of(request))
        request.principal = msgspec.structs.replace(known, address=request.peer or None)
        self._origins.check_page(known, request.headers.get(b"origin"), request.headers.get(b"host"))
        return request.principal

    async def _operation(self, request: Request) -> Operation:
        if request.method == "GET":
            return read_get(request.query)
        check_post(request)
        return read_post(await request.body(self._settings.body_bytes), variables_bytes=self._settings.variables_bytes)


def _check_kind(prepared: Prepared, method: str) -> None:
    if prepared.operation == "subscription":
        raise BadRequest("A subscription has no single answer: ask for it by server-sent events or WebSocket.")
    if method == "GET" and prepared.operation != "query":
        raise MethodNotAllowed("POST")
