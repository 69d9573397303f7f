"""Commands as mutation fields: input, payload, and the call between them (contracts.md, "Commands")."""

import inspect
from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from enum import Enum
from typing import Any, Optional, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import strawberry
from pydantic import TypeAdapter, ValidationError
from strawberry import UNSET
from strawberry.types.field import StrawberryField

from shared.commands.command import Call, CommandMark, Outcome, run_command
from shared.commands.idempotency import UserErrorFacts
from shared.database.entity import Entity
from shared.errors import Defect, Invalid, Refusal
from shared.graph.context import RequestContext
from shared.graph.directives import Queueable
from shared.graph.names import camel, plural, upper_camel
from shared.graph.types import OWN, Receipt, ReceiptStatus, Types, UserError, make_field, make_input, make_type
from shared.language import Phrase, refusal_in
from shared.module import Module
from shared.values import outside_name

_NO_ROW = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Payload:
    """What a mutation field answers; `result` is shown under the entity's name."""

    result: Any
    user_errors: list[UserError]
    receipt: Receipt


def mutation_field(module: Module, types: Types, function: Any, mark: CommandMark) -> StrawberryField:
    """Return the mutation field of a command: `closeDealWon(input: CloseDealWonInput!): CloseDealWonPayload!`."""
    hints = get_type_hints(function, include_extras=True)
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "tx"]
    adapters = {one.name: TypeAdapter(hints[one.name]) for one in parameters}
    model, many = _result_model(function, hints["return"])
    name = upper_camel(function.__name__)
    fields = [
        make_field(one.name, types.input(hints[one.name]), graphql_name=outside_name(one.name), default=_default(one))
        for one in parameters
    ]
    fields += [
        make_field(extra, Optional[kind], default=UNSET)  # noqa: UP045 the inner type is a value
        for extra, kind in (("idempotency_key", str), ("expected_version", int))
    ]
    input_type = make_input(f"{name}Input", fields)
    payload_type = _payload_type(name, types.entities[model], model, many=many)

    async def run(info: strawberry.Info[Any, Any], input: Any) -> Any:
        context: RequestContext = info.context
        try:
            sent = {key: getattr(input, key) for key in adapters}
            arguments = {key: _read(adapters[key], key, value) for key, value in sent.items() if value is not UNSET}
        except Refusal as refusal:
            return _refused(context, refusal)
        call = Call(
            context.principal,
            context.cause,
            arguments,
            input.idempotency_key or None,
            None if input.expected_version is UNSET else input.expected_version,
            context.left_s,
            context.receipt,
        )
        await context.rest()
        return _payload(await run_command(context.database, function, mark, model, call))

    run.__annotations__["input"] = input_type
    directives: list[object] = [OWN]
    if mark.queueable:
        directives.append(Queueable(ttl=mark.queueable))
    return make_field(function.__name__, payload_type, run, description=inspect.getdoc(function), directives=directives)


def _payload_type(name: str, kind: Any, model: type[Entity], *, many: bool) -> type:
    shown = camel(plural(model.__name__) if many else model.__name__)
    result = list[kind] if many else kind

    def answer(root: Any) -> Any:
        return root.result

    return make_type(
        f"{name}Payload",
        [
            make_field(shown, Optional[result], answer, graphql_name=shown),  # noqa: UP045 the inner type is a value
            make_field("user_errors", list[UserError]),
            make_field("receipt", Receipt),
        ],
        directives=[OWN],
    )


def _result_model(function: Any, hint: Any) -> tuple[type[Entity], bool]:
    many = isinstance(get_origin(hint), type) and issubclass(get_origin(hint), Sequence)
    model = get_args(hint)[0] if many else hint
    if not (isinstance(model, type) and issubclass(model, Entity)):
        raise Defect(f"The command {function.__name__} must return an entity, or a list of one.")
    return model, many


def _default(parameter: inspect.Parameter) -> Any:
    if parameter.default is inspect.Parameter.empty:
        return MISSING
    return UNSET if parameter.default is None else parameter.default


def _read(adapter: TypeAdapter[Any], name: str, value: Any) -> Any:
    try:
        return adapter.validate_python(_plain(value))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        if problem["type"] == "uuid_parsing" and not problem["loc"]:
            return _NO_ROW  # a malformed id answers like an absent one (contracts.md, "Ids and tenant")
        where = [camel(name), *(camel(str(step)) for step in problem["loc"])]
        raise Invalid(
            "{where}: {problem}.", *where, where=".".join(where), problem=Phrase.of_problem(problem)
        ) from error


def _plain(value: Any) -> Any:
    """Return a Strawberry input as plain values for Pydantic."""
    if isinstance(value, list):
        return [_plain(one) for one in cast("list[Any]", value)]
    if not hasattr(value, "__strawberry_definition__") or isinstance(value, Enum):
        return value
    return {name: _plain(inner) for name, inner in _fields_of(value).items() if inner is not UNSET}


def _fields_of(value: object) -> dict[str, Any]:
    return vars(value)


def _payload(outcome: Outcome) -> Payload:
    return Payload(
        outcome.result,
        [_user_error(error) for error in outcome.errors],
        Receipt(
            id=strawberry.ID(str(outcome.receipt)),
            status=ReceiptStatus.FAILED if outcome.errors else ReceiptStatus.DONE,
        ),
    )


def _refused(context: RequestContext, refusal: Refusal) -> Payload:
    facts = UserErrorFacts(
        code=refusal.code,
        message=refusal_in(refusal, context.principal.locale, context.module),
        field=refusal.field,
    )
    receipt = Receipt(id=strawberry.ID(str(context.new_id())), status=ReceiptStatus.FAILED)
    return Payload(None, [_user_error(facts)], receipt)


def _user_error(error: UserErrorFacts) -> UserError:
    return UserError(code=error.code, message=error.message, field=list(error.field) if error.field else None)
