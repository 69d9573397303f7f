"""Named breakages: each adds a few definitions to one or two subgraphs of a set, so that it cannot compose.

`breakages()` maps a name to what the first and the second subgraph get. Names begin with X, so they clash with nothing.
"""

ENTITY = 'type X @key(fields: "id") { id: ID! %s }'
_KEYS = {
    "unknown field": '@key(fields: "nope")',
    "unknown nested field": '@key(fields: "v { nope }")',
    "no field set": '@key(fields: "id {")',
    "empty": '@key(fields: "")',
    "variable": '@key(fields: "$x")',
    "alias": '@key(fields: "a: id")',
    "object without selection": '@key(fields: "v")',
    "number": "@key(fields: 3)",
    "list of strings": '@key(fields: ["id"])',
    "null": "@key(fields: null)",
    "enum value": "@key(fields: id)",
    "union": '@key(fields: "u { __typename }")',
    "interface": '@key(fields: "i { a }")',
    "field with arguments": '@key(fields: "w")',
    "arguments": '@key(fields: "w(a: 1)")',
    "directive": '@key(fields: "id @include(if: true)")',
    "no argument": "@key",
    "unknown argument": '@key(fields: "id", nope: 1)',
    "wrong resolvable": '@key(fields: "id", resolvable: 3)',
}
_REQUIRES = {
    "own field": '"id"',
    "own nested field": '"own { a }"',
    "unknown field": '"nope"',
    "unknown argument": '"e(z: 1)"',
    "variable": '"e(a: $x)"',
    "object without selection": '"v"',
    "alias": '"q: e"',
    "directive": '"e @skip(if: true)"',
    "empty": '""',
    "number": "3",
}
_PROVIDES = {
    "scalar": ("Int", '"a"'),
    "own field": ("X", '"id"'),
    "unknown field": ("X", '"nope"'),
    "field with arguments": ("X", '"e"'),
    "no field set": ("X", '"p {"'),
    "number": ("X", "3"),
    "directive": ("X", '"p @skip(if: true)"'),
    "object without selection": ("X", '"v"'),
}
_LIST_SIZES = {
    "of no list": "x: Int @listSize(assumedSize: 1)",
    "negative": "x: [Int] @listSize(assumedSize: -1)",
    "slicing argument unknown": 'x: [Int] @listSize(slicingArguments: ["z"])',
    "slicing argument no Int": 'x(z: String): [Int] @listSize(slicingArguments: ["z"])',
    "sized field unknown": 'x: XV @listSize(assumedSize: 1, sizedFields: ["z"])',
    "sized field no list": 'x: XV @listSize(assumedSize: 1, sizedFields: ["a"])',
    "sized field of a scalar": 'x: Int @listSize(assumedSize: 1, sizedFields: ["a"])',
}
_CONTEXTS = {
    "not set": ("", "Int", "$c { p }"),
    "unknown field": ('@context(name: "c")', "Int", "$c { nope }"),
    "no dollar": ('@context(name: "c")', "Int", "c { p }"),
    "no selection": ('@context(name: "c")', "Int", "$c"),
    "two fields": ('@context(name: "c")', "Int", "$c { p q }"),
    "wrong type": ('@context(name: "c")', "String", "$c { p }"),
    "required": ('@context(name: "c")', "Int!", "$c { p }"),
    "bad name": ('@context(name: "c_c")', "Int", "$c_c { p }"),
    "alias": ('@context(name: "c")', "Int", "$c { z: p }"),
}
_PAIRS = {
    "kinds differ": ("type X { a: Int }", "enum X { A }"),
    "field types differ": ("type X @shareable { a: Int }", "type X @shareable { a: String }"),
    "argument types differ": ("type X @shareable { a(b: Int): Int }", "type X @shareable { a(b: String): Int }"),
    "argument defaults differ": (
        "type X @shareable { a(b: Int = 1): Int }",
        "type X @shareable { a(b: Int = 2): Int }",
    ),
    "required argument missing": ("type X @shareable { a(b: Int!): Int }", "type X @shareable { a: Int }"),
    "required input field missing": ("input X { a: Int b: Int! }", "input X { a: Int }"),
    "input defaults differ": ("input X { a: Int = 1 }", "input X { a: Int = 2 }"),
    "input types differ": ("input X { a: Int }", "input X { a: [Int] }"),
    "inputs have nothing in common": ("input X { a: Int }", "input X { b: Int }"),
    "not shared by both": ("type X { a: Int }", "type X { a: Int }"),
    "not shared by one": ("type X @shareable { a: Int }", "type X { a: Int }"),
    "enum used both ways": (
        "enum X { A B } extend type Query { xa(x: X): X }",
        "enum X { A } extend type Query { xb: X }",
    ),
    "input enum with nothing in common": (
        "enum X { A } extend type Query { xa(x: X): Int }",
        "enum X { B } extend type Query { xb(x: X): Int }",
    ),
    "external nowhere resolved": (ENTITY % 'a: Int @external b: Int @requires(fields: "a")', ENTITY % "c: Int"),
    "external type differs": (ENTITY % 'a: Int @external b: Int @requires(fields: "a")', ENTITY % "a: String"),
    "external argument missing": (ENTITY % 'a: Int @external b: Int @requires(fields: "a")', ENTITY % "a(z: Int): Int"),
    "external argument type differs": (
        ENTITY % 'a(z: Int): Int @external b: Int @requires(fields: "a")',
        ENTITY % "a(z: String): Int",
    ),
    "external argument default differs": (
        ENTITY % 'a(z: Int = 1): Int @external b: Int @requires(fields: "a")',
        ENTITY % "a(z: Int = 2): Int",
    ),
    "tag on external": (ENTITY % 'a: Int @external @tag(name: "t") b: Int @requires(fields: "a")', ENTITY % "a: Int"),
    "override of oneself": (ENTITY % 'a: Int @override(from: "s0")', ""),
    "override label": (ENTITY % 'a: Int @override(from: "s1", label: "-")', ENTITY % "a: Int"),
    "override of an override": (ENTITY % 'a: Int @override(from: "s1")', ENTITY % 'a: Int @override(from: "s2")'),
    "override of requires": (
        ENTITY % 'a: Int @override(from: "s1") c: Int @shareable',
        ENTITY % 'c: Int @external a: Int @requires(fields: "c")',
    ),
    "interface not implemented by all": (
        "interface X { a: Int } type XA implements X { a: Int }",
        "interface X { a: Int b: Int } type XB implements X { a: Int b: Int }",
    ),
    "interface object everywhere": ('type X @interfaceObject @key(fields: "id") { id: ID! a: Int }', ""),
    "interface key without all types": (
        'interface X @key(fields: "id") { id: ID! } type XA implements X @key(fields: "id") { id: ID! }',
        'interface X { id: ID! } type XB implements X @key(fields: "id") { id: ID! }',
    ),
    "interface object beside its type": (
        'interface X @key(fields: "id") { id: ID! } type XA implements X @key(fields: "id") { id: ID! }',
        'type X @interfaceObject @key(fields: "id") { id: ID! a: Int } type XA @key(fields: "id") { id: ID! }',
    ),
    "no key to get there": (
        "type X @shareable { a: Int } extend type Query { x: X }",
        "type X @shareable { a: Int b: Int }",
    ),
    "key not resolvable": (
        ENTITY % "a: Int" + " extend type Query { x: X }",
        'type X @key(fields: "id", resolvable: false) { id: ID! b: Int }',
    ),
    "other key": (ENTITY % "a: Int" + " extend type Query { x: X }", 'type X @key(fields: "k") { k: ID! b: Int }'),
    "runtime types differ": (
        "interface X { a: Int } type XA implements X { a: Int } extend type Query { x: X @shareable }",
        "interface X { a: Int } type XB implements X { a: Int } extend type Query { x: X @shareable }",
    ),
    "transitive login": (
        ENTITY % 'a: Int @external b: Int @requires(fields: "a")',
        ENTITY % "a: Int @authenticated",
    ),
    "shared subscription": ("type Subscription { x: Int @shareable }", ""),
}
_SINGLES = {
    "unknown type": "type X { a: Nope }",
    "input as output": "input XI { a: Int } type X { a: XI }",
    "output as input": "type X { a(b: X): Int }",
    "duplicate type": "type X { a: Int } type X { b: Int }",
    "duplicate field": "type X { a: Int a: Int }",
    "unknown directive": "type X @nope { a: Int }",
    "misplaced directive": "scalar X @shareable",
    "missing directive argument": "type X { a: Int @tag }",
    "repeated directive": "type X { a: Int @inaccessible @inaccessible }",
    "wrong default": 'type X { a(b: Int = "x"): Int }',
    "interface field missing": "interface XI { a: Int } type X implements XI { b: Int }",
    "interface type differs": "interface XI { a: Int } type X implements XI { a: String }",
    "interface argument missing": "interface XI { a(b: Int): Int } type X implements XI { a: Int }",
    "member no object": "union X = XE enum XE { A }",
    "unknown interface": "type X implements Nope { a: Int }",
    "bad name": "type __X { a: Int }",
    "circular input": "input X { x: X! }",
    "syntax": "type X { a: }",
    "operation": "query X { start }",
    "external on interface": "interface X { a: Int @external } type XA implements X { a: Int }",
    "external unused": ENTITY % "a: Int @external",
    "shareable on interface": "interface X { a: Int @shareable } type XA implements X { a: Int }",
    "interface key not on type": 'interface X @key(fields: "id") { id: ID! } type XA implements X { id: ID! }',
    "interface object without key": "type X @interfaceObject { id: ID! }",
    "override on interface": 'interface X { a: Int @override(from: "s1") } type XA implements X { a: Int }',
    "extension of nothing": "extend type X { a: Int }",
    "hidden type referred to": "type X @inaccessible { a: Int } extend type Query { x: X }",
    "hidden required argument": "extend type Query { x(a: Int! @inaccessible): Int }",
    "hidden required input": "input X { a: Int! @inaccessible b: Int } extend type Query { x(a: X): Int }",
    "all fields hidden": "type X { a: Int @inaccessible } extend type Query { x: X }",
    "hidden implementation": "interface XI { a: Int } type X implements XI { a: Int @inaccessible b: Int }",
    "hidden default": "enum X { A B @inaccessible } extend type Query { x(a: X = B): Int }",
    "cost on interface": "interface X { a: Int @cost(weight: 1) } type XA implements X { a: Int }",
    "login on interface": "interface X @authenticated { a: Int } type XA implements X { a: Int }",
    "scopes on interface field": 'interface X { a: Int @requiresScopes(scopes: [["s"]]) } type XA implements X { a: Int }',
    "composed directive undefined": 'extend schema @composeDirective(name: "@x")',
    "composed directive without sigil": 'extend schema @composeDirective(name: "x")',
    "composed directive without link": 'extend schema @composeDirective(name: "@x") directive @x on OBJECT',
    "composed federation directive": 'extend schema @composeDirective(name: "@key")',
    "wrong federation directive": "directive @shareable(x: Int) on OBJECT | FIELD_DEFINITION",
    "second federation link": 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.0")',
}


def breakages() -> dict[str, tuple[str, str]]:
    """Return every breakage by name."""
    found: dict[str, tuple[str, str]] = {}
    around = "type XV { a: Int } union XU = XV interface XI { a: Int } type XO implements XI { a: Int }"
    for name, mark in _KEYS.items():
        found[f"key: {name}"] = (f"type X {mark} {{ id: ID! v: XV u: XU i: XI w(a: Int): Int }} {around}", "")
    outside = "type XV @shareable { a: Int }"
    for name, fields in _REQUIRES.items():
        body = 'e(a: Int): Int @external v: XV @external own: XO k: Int @requires(fields: "e v { a }")'
        body += f" r: Int @requires(fields: {fields})"
        found[f"requires: {name}"] = (
            f"{ENTITY % body} {outside} type XO {{ a: Int }}",
            f"{ENTITY % 'e(a: Int): Int v: XV'} {outside}",
        )
    for name, (kind, fields) in _PROVIDES.items():
        body = 'e(a: Int): Int @external p: Int @external v: XV @external k: Int @requires(fields: "e p v { a }")'
        found[f"provides: {name}"] = (
            f"{ENTITY % body} {outside} extend type Query {{ x: {kind} @provides(fields: {fields}) }}",
            f"{ENTITY % 'e(a: Int): Int p: Int @shareable v: XV'} {outside}",
        )
    for name, text in _LIST_SIZES.items():
        found[f"list size: {name}"] = (f"type XV {{ a: Int b: [Int] }} extend type Query {{ {text} }}", "")
    for name, (mark, kind, fields) in _CONTEXTS.items():
        setter = f"type XS {mark} {{ p: Int q: Int x: X }} extend type Query {{ xs: XS }}"
        entity = ENTITY % f'f(a: {kind} @fromContext(field: "{fields}")): Int'
        found[f"context: {name}"] = (f"{entity} {setter}", "")
    found |= _PAIRS
    found |= {name: (text, "") for name, text in _SINGLES.items()}
    return found
