"""Names of the graph, derived from names of rows."""


def camel(name: str) -> str:
    """Return `open_invoices` or `Deal` as `openInvoices`, `deal`."""
    first, *rest = name.split("_")
    return first[:1].lower() + first[1:] + "".join(word.title() for word in rest)


def upper_camel(name: str) -> str:
    """Return `close_deal_won` as `CloseDealWon`."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def plural(word: str) -> str:
    """Return the plural that lists are named by (catalogue/sdl.py): `Category` -> `Categories`."""
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")
