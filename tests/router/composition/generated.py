"""Random sets of subgraphs, made of parts that federation composes: entities, value types, interfaces, enums, inputs.

Tame sets compose, but for the odd field out of reach; in wild ones subgraphs contradict each other, too. One seed always
makes the same set.
"""

from dataclasses import dataclass, field
from random import Random

from router.composition import Subgraph
from tests.router.composition.broken import breakages

IMPORTS = (
    "@key @shareable @external @requires @provides @override @tag @inaccessible @interfaceObject @authenticated "
    "@requiresScopes @policy @cost @listSize @composeDirective @context @fromContext"
)
SCALARS = ("Int", "String", "Boolean", "Float", "ID")
VERSION = "2.9"  # the newest that all three composers know


@dataclass
class Draft:
    """One subgraph in the making."""

    name: str
    version: str = VERSION
    parts: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    def subgraph(self) -> Subgraph:
        """Return the subgraph with all parts."""
        imports = ", ".join(f'"{name}"' for name in IMPORTS.split())
        links = f'@link(url: "https://specs.apollo.dev/federation/v{self.version}", import: [{imports}])'
        head = f"extend schema {' '.join([links, *self.links])}"
        query = "type Query {\n  " + "\n  ".join(self.queries) + "\n}" if self.queries else ""
        return Subgraph(self.name, f"http://{self.name}", "\n\n".join([head, query, *self.parts]) + "\n")


def drafts(random: Random, *, wild: bool) -> list[Draft]:
    """Return two to four drafts that have types in common; wild ones may contradict each other."""
    made = [Draft(f"s{number}") for number in range(random.randint(2, 4))]
    made[0].queries.append("start: Int")
    for number in range(random.randint(1, 4)):
        _entity(random, made, f"Entity{number}", wild=wild)
    for number in range(random.randint(0, 2)):
        _value_type(random, made, f"Value{number}", wild=wild)
    for number in range(random.randint(0, 2)):
        _enum(random, made, f"Enum{number}", wild=wild)
    for number in range(random.randint(0, 2)):
        _input(random, made, f"Input{number}", wild=wild)
    if random.random() < 0.5:
        _interface(random, made, "Node", wild=wild)
    if random.random() < 0.3:
        _interface_object(random, made, "Media")
    if random.random() < 0.4:
        _union(random, made, "Any0")
    return made


def random_set(seed: int) -> list[Subgraph]:
    """Return a random set of subgraphs: a tame one for even seeds, a wild one for odd ones."""
    return [draft.subgraph() for draft in drafts(Random(seed), wild=bool(seed % 2))]


def _some(random: Random, made: list[Draft], least: int = 1) -> list[Draft]:
    return random.sample(made, random.randint(min(least, len(made)), len(made)))


def _nullable(random: Random, name: str) -> str:
    return random.choice((name, name, f"{name}!", f"[{name}]", f"[{name}!]!"))


def _marks(random: Random) -> str:
    return random.choice(
        ("", "", "", "", ' @tag(name: "t1")', ' @tag(name: "t2")', " @deprecated", " @cost(weight: 3)")
    )


def _entity(random: Random, made: list[Draft], name: str, *, wild: bool) -> None:
    where = _some(random, made)
    keys = random.choice((["id"], ["id"], ["id", "sku"], ["ref { code }"], ["id sku"]))
    owned: list[tuple[Draft, str, str]] = []
    fields: dict[str, list[str]] = {one.name: [] for one in where}
    for one in where:
        for number in range(random.randint(0, 3)):
            column, kind = f"{one.name}f{number}", _nullable(random, random.choice(SCALARS))
            fields[one.name].append(f"{column}: {kind}{_marks(random)}")
            owned.append((one, column, kind))
    for one in where:
        foreign = [(column, kind) for other, column, kind in owned if other is not one]
        if foreign and random.random() < 0.4:
            column, kind = random.choice(foreign)
            fields[one.name].append(f"{column}: {kind} @external")
            fields[one.name].append(f'{one.name}calc: Int @requires(fields: "{column}")')
        elif foreign and random.random() < 0.15:
            column, kind = random.choice(foreign)
            giver = next(other.name for other, given, _ in owned if given == column)
            label = random.choice(("", "", ', label: "percent(10)"'))
            fields[one.name].append(f'{column}: {kind} @override(from: "{giver}"{label})')
    if random.random() < 0.3:
        for one in where:
            fields[one.name].append("common: String @shareable")
    for one in where:
        chosen = keys if random.random() < 0.8 else keys[:1]
        marks = " ".join(
            f'@key(fields: "{key}"{", resolvable: false" if wild and random.random() < 0.07 else ""})' for key in chosen
        )
        declared = {"id": "id: ID!", "sku": "sku: String!", "ref { code }": f"ref: {name}Ref! @shareable"}
        own = [declared[key] for key in dict.fromkeys(part for full in chosen for part in _parts(full))]
        if "ref { code }" in chosen:
            one.parts.append(f"type {name}Ref @shareable {{ code: Int! }}")
        extends = "extend type" if one is not where[0] and random.random() < 0.15 else "type"
        body = "\n  ".join([*own, *fields[one.name]])
        one.parts.append(f"{extends} {name} {marks} {{\n  {body}\n}}")
        if one is where[0] or random.random() < 0.4:
            suffix = _nullable(random, name)
            one.queries.append(f"{name[0].lower()}{name[1:]}{one.name}: {suffix}")


def _parts(key: str) -> list[str]:
    return [key] if "{" in key else key.split()


def _value_type(random: Random, made: list[Draft], name: str, *, wild: bool) -> None:
    for one in _some(random, made):
        extra = [f"{one.name}v: Int"] if wild and random.random() < 0.2 else []
        kind = random.choice(("Int", "Int", "Int!"))
        described = f'"About {name} {random.choice("ab")}"\n' if random.random() < 0.3 else ""
        body = " ".join([f"amount: {kind}", "currency: String", *extra])
        one.parts.append(f"{described}type {name} @shareable {{ {body} }}")
        one.queries.append(f"{name[0].lower()}{name[1:]}{one.name}: {name}")


def _enum(random: Random, made: list[Draft], name: str, *, wild: bool) -> None:
    usage = random.choice(("in", "out", "both", "none"))
    for one in _some(random, made):
        values = ["A", "B"] + (["C"] if random.random() < 0.2 and (wild or usage != "both") else [])
        one.parts.append(f"enum {name} {{ {' '.join(values)} }}")
        if usage in ("out", "both"):
            one.queries.append(f"{name[0].lower()}{name[1:]}{one.name}: {name}")
        if usage in ("in", "both"):
            one.queries.append(f"{name[0].lower()}{name[1:]}by{one.name}(value: {name} = A): Int")


def _input(random: Random, made: list[Draft], name: str, *, wild: bool) -> None:
    for one in _some(random, made):
        required = random.choice(("", "", "", "!")) if wild else ""
        extra = [f"{one.name}x: Int{required}"] if random.random() < 0.3 else []
        default = random.choice((" = 3", " = 3", "", " = 4")) if wild and random.random() < 0.4 else ""
        body = " ".join([f"first: Int{default}", f"text: {random.choice(('String', 'String', 'String!'))}", *extra])
        one.parts.append(f"input {name} {{ {body} }}")
        one.queries.append(f"{name[0].lower()}{name[1:]}{one.name}(input: {name}): Int")


def _interface(random: Random, made: list[Draft], name: str, *, wild: bool) -> None:
    for one in _some(random, made):
        extra = ["extra: Int"] if wild and random.random() < 0.1 else []
        one.parts.append(f"interface {name} {{ {' '.join(['title: String', *extra])} }}")
        for number in range(random.randint(1, 2)):
            body = " ".join(["title: String", *extra, f"{one.name if wild else ''}n{number}: Int"])
            one.parts.append(f"type {name}{number} implements {name} @shareable {{ {body} }}")
        one.queries.append(f"node{one.name}: {name}")


def _interface_object(random: Random, made: list[Draft], name: str) -> None:
    owner, *others = random.sample(made, len(made))
    owner.parts.append(f'interface {name} @key(fields: "id") {{ id: ID! title: String }}')
    for kind in ("Book", "Film"):
        owner.parts.append(
            f'type {kind} implements {name} @key(fields: "id") {{ id: ID! title: String {kind.lower()}: Int }}'
        )
    owner.queries.append(f"media: {name}")
    for other in others[: random.randint(0, 2)]:
        other.parts.append(f'type {name} @interfaceObject @key(fields: "id") {{ id: ID! {other.name}more: Int }}')
        if random.random() < 0.3:
            other.queries.append(f"media{other.name}: {name}")


def _union(random: Random, made: list[Draft], name: str) -> None:
    for one in _some(random, made):
        members = [f"{name}{letter}" for letter in random.sample("abc", random.randint(1, 2))]
        for member in members:
            one.parts.append(f"type {member} @shareable {{ {member.lower()}: Int }}")
        one.parts.append(f"union {name} = {' | '.join(members)}")
        one.queries.append(f"union{one.name}: {name}")


def broken_set(seed: int) -> tuple[str, list[Subgraph]]:
    """Return a tame random set with one breakage in it, and its name; the seed chooses both."""
    named = list(breakages().items())
    name, added = named[seed % len(named)]
    made = drafts(Random(seed), wild=False)
    for draft, text in zip(made, added, strict=False):
        if text:
            draft.parts.append(text)
    if not made[1].queries:
        made[1].queries.append("second: Int")
    return name, [draft.subgraph() for draft in made]
