"""The pages of docs/, and the code blocks in them that tests run."""

import re

from mewayz.modules import REPOSITORY

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the code blocks of a page of docs/, each with its language, in the page's order."""
    return _BLOCK.findall((REPOSITORY / "docs" / page).read_text())
