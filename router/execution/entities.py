"""Generated code: per place find the origin objects, per fetch write their representations, each entity once.

`walk(objects)` returns the objects that some steps lead to from others.
`gather(origins, tainted, seen, representations)` returns `targets`: it appends to `representations` what is not in `seen`
yet (fetches that ask the same share both), and `targets[i]` are the origins that the i-th entity belongs to. `tainted`
holds (id of object, key) of values that are missing because of an error: an entity whose @requires reads one is not
asked for.

Where @fromContext fills variables, what is appended are pairs (representation, {variable: value}), and `origins` is the
root alone: values of contexts lie on the way.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import orjson

from router.planning.plan import ContextVariable, Fetch, Read, Representation, Step, Steps, Template

Json: TypeAlias = Any
Tainted: TypeAlias = set[tuple[int, str]]
Targets: TypeAlias = dict[int, list[dict[str, Json]]]
Walk: TypeAlias = Callable[[list[Json]], list[dict[str, Json]]]
Gather: TypeAlias = Callable[[list[Json], Tainted, dict[Json, int], list[Json]], Targets]

_EMPTY: dict[str, Json] = {}


def compile_walk(steps: Sequence[Step]) -> Walk:
    """Compile the `walk` of some steps. An entity that stands at many places is one object, and found once."""
    writer = _Writer("hash")
    writer.write_walk(steps)
    return _compiled(writer, "walk")


def compile_gather(fetch: Fetch) -> Gather:
    """Compile a fetch's `gather`. Keys that do not hash (a custom scalar) take a slower way with the same result."""
    quick = _gather(fetch, "hash")
    slow: list[Gather] = []

    def gather(origins: list[Json], tainted: Tainted, seen: dict[Json, int], representations: list[Json]) -> Targets:
        before = len(representations)
        try:
            return quick(origins, tainted, seen, representations)
        except TypeError:
            del representations[before:]
            for key in [key for key, number in seen.items() if number >= before]:
                del seen[key]
            if not slow:
                slow.append(_gather(fetch, "dumps"))
            return slow[0](origins, tainted, seen, representations)

    return gather


def _gather(fetch: Fetch, mode: str) -> Gather:
    writer = _Writer(mode)
    writer.write_gather(fetch)
    return _compiled(writer, "gather")


def _compiled(writer: "_Writer", name: str) -> Callable[..., Json]:
    names: dict[str, Json] = {"E": _EMPTY, "dumps": orjson.dumps, "leaf": leaf}
    exec(compile("\n".join(writer.helpers + writer.lines), f"<{name}>", "exec"), names)  # noqa: S102 of names that the schema gave, quoted
    return names[name]


class _Writer:
    """Writes the source of one walk or gather."""

    def __init__(self, mode: str) -> None:
        self.lines: list[str] = []
        self.helpers: list[str] = []
        self._mode = mode
        self._count = 0

    def _line(self, depth: int, text: str, at: int | None = None) -> None:
        self.lines.insert(len(self.lines) if at is None else at, "    " * depth + text)

    def write_walk(self, steps: Sequence[Step]) -> None:
        self._line(0, "def walk(objects):")
        self._line(1, "found = []")
        self._line(1, "for o in objects:")
        stands, depth = self._steps(steps, 2)
        self._line(depth, f"found.append({stands[-1]})")
        self._line(1, "return found")

    def write_gather(self, fetch: Fetch) -> None:
        self._line(0, "def gather(origins, tainted, seen, reps):")
        self._line(1, "targets = {}")
        self._line(1, "for o in origins:")
        stands, depth = self._steps(fetch.steps if fetch.contexts else (), 2)
        for one in fetch.contexts:
            self._line(depth, f"{one.name} = {self._context(one, stands)}")
        self._objects(fetch, stands[-1], depth)
        self._line(1, "return targets")

    def _steps(self, steps: Sequence[Step], depth: int) -> tuple[list[str], int]:
        """Write loops from the object `o`; return the names of the objects on the way, and the depth inside."""
        at = "o"
        stands = [at]
        for number, step in enumerate(steps):
            self._line(depth, f"v{number} = {at}.get({step.key!r})")
            at = f"v{number}"
            for level in range(step.lists):
                self._line(depth, f"if type({at}) is list:")
                self._line(depth + 1, f"for {at}_{level} in {at}:")
                at, depth = f"{at}_{level}", depth + 2
            if step.is_slot:  # an entity stands at many places and is one object: once is enough
                self._line(1, f"met{number} = set()", at=2)
                self._line(depth, f"if type({at}) is dict and id({at}) not in met{number}:")
                self._line(depth + 1, f"met{number}.add(id({at}))")
            else:
                self._line(depth, f"if type({at}) is dict:")
            depth += 1
            stands.append(at)
        return stands, depth

    def _context(self, one: ContextVariable, stands: list[str]) -> str:
        """Return the expression for a context's value: of the nearest object that sets it."""
        text = "None"
        for read in reversed(one.reads):
            at = stands[read.standing]
            value = self._value(at, read.read)
            value = value if read.read.inner is None else f"leaf({value})"
            is_it = f"({self._first(at, read.typenames)}) == {read.of!r}"
            text = value if read.of is None else f"({value} if {is_it} else {text})"
        return text

    def _objects(self, fetch: Fetch, at: str, depth: int) -> None:
        if not fetch.representations:
            self._line(depth, f"targets.setdefault(0, []).append({at})")
            return
        if any(one.of is not None for one in fetch.representations):
            self._line(depth, f"t = {self._first(at, fetch.typenames)}")
        word = "if"
        for one in fetch.representations:
            if one.of is None:
                self._one(fetch, one, at, depth)
                continue
            self._line(depth, f"{word} t == {one.of!r}:")
            self._one(fetch, one, at, depth + 1)
            word = "elif"

    def _first(self, at: str, places: tuple[Steps, ...]) -> str:
        return " or ".join(self._get(at, steps) for steps in places) or "None"

    def _get(self, at: str, steps: Steps) -> str:
        for key in steps[:-1]:
            at = f"({at}.get({key!r}) or E)"
        return f"{at}.get({steps[-1]!r})"

    def _one(self, fetch: Fetch, one: Representation, at: str, depth: int) -> None:
        keys = [f"k{number}" for number in range(len(one.key))]
        for name, read in zip(keys, one.key, strict=True):
            self._line(depth, f"{name} = {self._value(at, read)}")
        tests = [f"{name} is not None" for name in keys]
        self._line(depth, f"if {' and '.join(tests) or 'True'}:")
        depth += 1
        if one.requires:
            self._line(depth, f"if not tainted or not ({self._taints(at, one)}):")
            depth += 1
        values = [*keys, *(f"r{number}" for number in range(len(one.requires)))]
        for name, read in zip(values[len(keys) :], one.requires, strict=True):
            self._line(depth, f"{name} = {self._value(at, read)}")
        reads = (*one.key, *one.requires)
        pairs = [f"{read.name!r}: {name}" for name, read in zip(values, reads, strict=True)]
        made = f"{{'__typename': {one.typename!r}, {', '.join(pairs)}}}"
        if fetch.contexts:
            filled = ", ".join(f"{context.name!r}: {context.name}" for context in fetch.contexts)
            made = f"({made}, {{{filled}}})"
        key = f"({one.typename!r}, {', '.join(values)})"
        if self._mode == "dumps" or fetch.contexts or any(read.inner is not None for read in reads):
            self._line(depth, f"rep = {made}")
            made, key = "rep", "dumps(rep)"
        self._line(depth, f"key = {key}")
        self._line(depth, "i = seen.get(key)")
        self._line(depth, "if i is None:")
        self._line(depth + 1, "seen[key] = i = len(reps)")
        self._line(depth + 1, f"reps.append({made})")
        self._line(depth + 1, f"targets[i] = [{at}]")
        self._line(depth, "elif i in targets:")
        self._line(depth + 1, f"targets[i].append({at})")
        self._line(depth, "else:")
        self._line(depth + 1, f"targets[i] = [{at}]")

    def _taints(self, at: str, one: Representation) -> str:
        tests: list[str] = []
        for read in one.requires:
            tests.append(f"(id({at}), {read.steps[0]!r}) in tainted")
            if len(read.steps) > 1:
                tests.append(f"(id({at}.get({read.steps[0]!r})), {read.steps[1]!r}) in tainted")
        return " or ".join(tests)

    def _value(self, at: str, read: Read) -> str:
        value = self._get(at, read.steps)
        return value if read.inner is None else f"{self._helper(read.inner)}({value})"

    def _helper(self, template: Template) -> str:
        self._count += 1
        name = f"part{self._count}"
        lines = [f"def {name}(o):", "    if o is None: return None"]
        lines.append(f"    if type(o) is list: return [{name}(x) for x in o]")
        if template.typenames:
            lines.append(f"    t = {self._first('o', template.typenames)}")
        for of, reads in template.by_type:
            pairs = [f"{read.name!r}: {self._value('o', read)}" for read in reads]
            if of is None:
                lines.append(f"    return {{{', '.join(pairs)}}}")
            else:
                pairs.insert(0, "'__typename': t")
                lines.append(f"    if t == {of!r}: return {{{', '.join(pairs)}}}")
        lines.append("    return {'__typename': t}" if template.typenames else "    return {}")
        self.helpers += lines
        return name


def leaf(value: Json) -> Json:
    """Return the one value that a nested selection leads to."""
    while isinstance(value, dict):
        found = cast("dict[str, Json]", value)
        value = next((one for name, one in found.items() if name != "__typename"), None)
    return value


def copied(value: Json) -> Json:
    """Return a copy of what a subgraph answered."""
    return orjson.loads(orjson.dumps(value))


def merge(into: dict[str, Json], more: dict[str, Json]) -> int:
    """Merge what two subgraphs gave of one object; where both give a scalar, the first stays.

    Returns how many scalars were not the same.
    """
    conflicts = 0
    for key, value in more.items():
        known = into.get(key)
        if known is None:
            into[key] = value
        else:
            conflicts += _merge_values(known, value)
    return conflicts


def _merge_lists(into: list[Json], more: list[Json]) -> int:
    conflicts = 0
    for number, (known, value) in enumerate(zip(into, more, strict=False)):
        if known is None:
            into[number] = value
        else:
            conflicts += _merge_values(known, value)
    return conflicts


def _merge_values(known: Json, value: Json) -> int:
    if isinstance(known, dict) and isinstance(value, dict):
        return merge(known, value)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(known, list) and isinstance(value, list):
        return _merge_lists(known, value)  # pyright: ignore[reportUnknownArgumentType]
    return int(value is not None and known != value)
