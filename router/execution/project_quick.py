"""The answer in the client's shape by generated code, for data that has no surprise in it.

One function is generated per place. What was asked for is taken to be there, but for root fields and entities, whose
fetch may have failed. Whatever the schema does not allow (a null, a value that is no list) raises one of `SURPRISES`;
then `project.Projection` does the same walk carefully and says where. An object that comes whole from one
entity is made once and referenced from every place where the entity stands.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from router.planning.plan import FieldShape, Shape, Steps

Json: TypeAlias = Any
SURPRISES = (AttributeError, TypeError, LookupError, ValueError)
_EMPTY: dict[str, Json] = {}


def compile_projection(shape: Shape) -> Callable[[dict[str, Json]], dict[str, Json]]:
    """Compile the projection of a whole answer. The function raises one of SURPRISES where care is needed."""
    writer = _Writer()
    root = writer.place(shape, is_root=True)
    names: dict[str, Json] = {"E": _EMPTY, **writer.constants}
    memos = ", ".join("{}" for _ in range(writer.memos))
    lines = [*writer.lines, "def project(data):", f"    return {root}(data, [{memos}])"]
    exec(compile("\n".join(lines), "<projection>", "exec"), names)  # noqa: S102 of names that the schema gave, quoted
    return names["project"]


class _Writer:
    """Writes one function per place; `constants` are the sets of enum values they check, and entities without values."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Json] = {}
        self.memos = 0
        self._places: dict[int, str] = {}
        self._count = 0

    def place(self, shape: Shape, *, is_root: bool = False) -> str:
        """Write the function of a place and return its name."""
        if id(shape) in self._places:
            return self._places[id(shape)]
        self._count += 1
        name = self._places[id(shape)] = f"place{self._count}"
        lines = [f"def {name}(d, memo):"]
        if None in shape.by_type:
            lines += self._object(shape.by_type[None], "    ", is_root=is_root)
        else:
            lines.append(f"    t = {' or '.join(_get('d', one) for one in shape.typenames) or 'None'}")
            for of, fields in shape.by_type.items():
                lines.append(f"    if t == {of!r}:")
                lines += self._object(fields, "        ")
            lines.append("    if type(d) is not dict: raise TypeError")
            lines.append("    return None")
        self.lines += lines
        return name

    def _object(self, fields: tuple[FieldShape, ...], indent: str, *, is_root: bool = False) -> list[str]:
        slots: dict[str, dict[str, None]] = {}
        for slot, key in (field.steps for field in fields if len(field.steps) == 2):
            slots.setdefault(slot, {})[key] = None
        absent = {slot: self._constant(keys) for slot, keys in slots.items()}
        lines = [f"s_{slot} = d.get({slot!r}) or {absent[slot]}" for slot in slots]
        whole = next(iter(slots)) if len(slots) == 1 else None
        if whole is not None and all(len(field.steps) == 2 or field.constant for field in fields):
            lines += [f"m = memo[{self.memos}]", f"r = m.get(id(s_{whole}))", "if r is not None: return r"]
            self.memos += 1
        else:
            whole = None
        pairs: list[str] = []
        for number, field in enumerate(fields):
            value, more = self._field(field, f"v{number}", may_lack=is_root)
            lines += more
            pairs.append(f"{field.response!r}: {value}")
        shown = f"{{{', '.join(pairs)}}}"
        if whole is not None:
            lines += [f"r = {shown}", f"if s_{whole} is not {absent[whole]}: m[id(s_{whole})] = r", "return r"]
        else:
            lines.append(f"return {shown}")
        return [indent + line for line in lines]

    def _field(self, field: FieldShape, name: str, *, may_lack: bool) -> tuple[str, list[str]]:
        if field.constant is not None:
            return repr(field.constant), []
        if not field.steps:
            return ("None", []) if not field.type.endswith("!") else ("None", ["raise ValueError"])
        value = _read(field.steps, may_lack=may_lack)
        if field.alternatives:
            value = " or ".join(_get("d", one) for one in (field.steps, *field.alternatives))
        required = field.type.endswith("!")
        inner = field.type[:-1] if required else field.type
        if field.child is None and field.values is None and not inner.startswith("[") and not required:
            return value, []
        lines = [f"{name} = {value}"]
        if made := self._value(field, inner, name):
            lines += [f"if {name} is not None:", *(f"    {line}" for line in made)]
        if required:
            lines.append(f"if {name} is None: raise ValueError")
        return name, lines

    def _value(self, field: FieldShape, inner: str, name: str) -> list[str]:
        """Return the lines that make or check a value that is there."""
        if inner.startswith("["):
            return [f"if type({name}) is not list: raise TypeError", *self._list(field, inner[1:-1], name)]
        if field.child is not None:
            return [f"{name} = {self.place(field.child)}({name}, memo)"]
        if field.values is not None:
            return [f"if {name} not in {self._constant(field.values)}: raise ValueError"]
        return []

    def _list(self, field: FieldShape, item: str, name: str) -> list[str]:
        required = item.endswith("!")
        inner = item[:-1] if required else item
        lines: list[str] = []
        if inner.startswith("["):
            self._count += 1
            helper = f"list{self._count}"
            body = [f"if type({name}) is not list: raise TypeError", *self._list(field, inner[1:-1], name)]
            self.lines += [f"def {helper}({name}, memo):", *(f"    {line}" for line in body), f"    return {name}"]
            lines.append(f"{name} = [None if x is None else {helper}(x, memo) for x in {name}]")
        elif field.child is not None:
            made = f"{self.place(field.child)}(x, memo)"
            lines.append(f"{name} = [{made if required else f'None if x is None else {made}'} for x in {name}]")
        elif field.values is not None:
            values = self._constant(field.values)
            lines.append(f"for x in {name}:")
            lines.append(f"    if x is not None and x not in {values}: raise ValueError")
        if required:
            lines.append(f"if None in {name}: raise ValueError")
        return lines

    def _constant(self, values: Json) -> str:
        name = f"C{len(self.constants)}"
        self.constants[name] = values
        return name


def _read(steps: Steps, *, may_lack: bool) -> str:
    if len(steps) == 2:
        return f"s_{steps[0]}[{steps[1]!r}]"
    return f"d[{steps[0]!r}]" if len(steps) == 1 and not may_lack else _get("d", steps)


def _get(at: str, steps: Steps) -> str:
    for key in steps[:-1]:
        at = f"({at}.get({key!r}) or E)"
    return f"{at}.get({steps[-1]!r})"
