"""Named streams: pure functions of their address that leave the global generator alone."""

import hashlib
from itertools import combinations

import pytest
import torch

from thalweg.randomness import derive, generator, global_stream

ADDRESSES = [
    *((seed, name) for seed in (0, 1, 12) for name in ("init", "order")),
    *((0, "order", epoch) for epoch in range(4)),
    *((1, "forward", 2, 3), (12, "forward", 3), (1, "forward", 23), (1, "forward", 3, 2)),
]


def test_every_address_has_a_stream_of_its_own() -> None:
    seeds = [derive(*address) for address in ADDRESSES]
    assert len(set(seeds)) == len(ADDRESSES)
    drawn = [torch.rand(8, generator=generator(*address)) for address in ADDRESSES]
    assert not any(torch.equal(one, other) for one, other in combinations(drawn, 2))


def test_many_seeds_do_not_collide() -> None:
    assert len({derive(seed, "order", epoch) for seed in range(300) for epoch in range(30)}) == 9000


@pytest.mark.parametrize(
    ("address", "pinned"),
    [
        ((0, "init"), 5_062_031_444_458_265_570),
        ((0, "order", 0), 7_640_800_989_483_928_545),
        ((7, "forward", 12), 2_471_946_285_269_763_987),
    ],
)
def test_seeds_are_pinned(address: tuple[int, str, int], pinned: int) -> None:
    """A change here changes every result of every study: is that intended?"""
    assert derive(*address) == pinned
    text = "/".join(["thalweg", *map(str, address)])
    first = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert int(first, 16) >> 1 == pinned


def test_draws_are_pinned() -> None:
    assert torch.randperm(8, generator=generator(0, "order", 0)).tolist() == [
        3,
        2,
        7,
        6,
        5,
        0,
        1,
        4,
    ]


def test_seeds_fit_every_generator() -> None:
    assert all(0 <= derive(seed, "x") < 2**63 for seed in range(1000))
    assert derive(2**31 - 1, "x") != derive(2**31 - 2, "x")


def test_a_stream_starts_anew_each_time() -> None:
    first = torch.rand(5, generator=generator(3, "init"))
    assert torch.equal(torch.rand(5, generator=generator(3, "init")), first)


def test_a_generator_leaves_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    torch.rand(5, generator=generator(3, "init"))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_block_draws_from_the_stream_and_the_global_generator_is_put_back() -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    with global_stream(3, "init", 1):
        inside = torch.rand(5)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(inside, torch.rand(5, generator=generator(3, "init", 1)))
    torch.rand(2)
    with global_stream(3, "init", 1):
        assert torch.equal(torch.rand(5), inside)


def test_it_is_put_back_after_an_exception_too() -> None:
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="in the middle"), global_stream(3, "init"):
        torch.rand(5)
        raise RuntimeError("in the middle")
    assert torch.equal(torch.get_rng_state(), before)


def test_blocks_may_be_nested() -> None:
    with global_stream(1, "outer"):
        plain = torch.rand(4)
    with global_stream(1, "outer"):
        first = torch.rand(2)
        with global_stream(1, "inner"):
            inner = torch.rand(2)
        second = torch.rand(2)
    assert torch.equal(torch.cat([first, second]), plain)
    assert torch.equal(inner, torch.rand(2, generator=generator(1, "inner")))
