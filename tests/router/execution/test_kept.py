"""A supergraph that was read is kept: the same the next time, and never believed from someone else's hand."""

import pickle
from pathlib import Path

import pytest
from graphql import print_schema

from router.execution.kept import read_supergraph
from router.execution.prepared import Graph
from router.supergraph.sdl import print_supergraph
from tests.router.planning.test_features import shop

SDL = print_supergraph(shop().graph.supergraph)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_what_was_kept_is_what_was_read(tmp_path: Path) -> None:
    first, schema = read_supergraph(SDL, tmp_path)
    [file] = files(tmp_path)
    written = file.stat().st_mtime_ns
    again, same = read_supergraph(SDL, tmp_path)

    assert again == first == shop().graph.supergraph
    assert print_schema(same) == print_schema(schema)
    assert file.stat().st_mtime_ns == written
    assert Graph.from_sdl(SDL, folder=tmp_path).prepare("{ me { name reviews { text } } }").subgraphs == (
        "users",
        "reviews",
    )


def test_another_supergraph_takes_its_place(tmp_path: Path) -> None:
    read_supergraph(SDL, tmp_path)
    before = files(tmp_path)
    read_supergraph(SDL + "\nscalar Other", tmp_path)

    assert len(files(tmp_path)) == 1
    assert files(tmp_path) != before


@pytest.mark.parametrize("content", [b"", b"half", pickle.dumps(3)[:3]])
def test_a_file_that_is_broken_is_made_anew(tmp_path: Path, content: bytes) -> None:
    first, _ = read_supergraph(SDL, tmp_path)
    [file] = files(tmp_path)
    file.write_bytes(content)

    assert read_supergraph(SDL, tmp_path)[0] == first
    assert len(file.read_bytes()) > 1000


def test_a_file_that_others_may_write_is_not_read(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    read_supergraph(SDL, tmp_path)
    [file] = files(tmp_path)
    file.write_bytes(pickle.dumps(Trap()))
    file.chmod(0o666)
    read_supergraph(SDL, tmp_path)

    assert not (tmp_path / "sprung").exists()


def test_without_a_place_to_keep_it_it_is_read_all_the_same(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")

    assert read_supergraph(SDL, blocked)[0] == shop().graph.supergraph
