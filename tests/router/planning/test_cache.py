"""The cache holds what was used last, up to a weight."""

from router.planning.cache import Cache


def test_the_longest_unused_goes_first() -> None:
    cache: Cache[str] = Cache(30)
    for name in "abc":
        cache.put(name, name.upper(), 3)
    cache.get("a")
    for name in "defghij":
        cache.put(name, name.upper(), 3)

    assert cache.get("a") == "A"
    cache.put("k", "K", 3)
    assert cache.get("b") is None
    assert cache.weight <= 30


def test_what_is_too_heavy_is_not_kept() -> None:
    cache: Cache[str] = Cache(80)

    assert cache.put("big", "value", 11) == "value"
    assert cache.get("big") is None
    assert len(cache) == 0


def test_a_value_put_again_weighs_once() -> None:
    cache: Cache[int] = Cache(100)
    cache.put("a", 1, 10)
    cache.put("a", 2, 12)

    assert (cache.get("a"), cache.weight) == (2, 12)
