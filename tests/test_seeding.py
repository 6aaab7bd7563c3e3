"""Seeds by name: the same for ever, apart from one another, and none disturbs the others' draws."""

from __future__ import annotations

import pytest
import torch

from nvf.seeding import derive, forked, generator


def test_a_seed_is_the_same_on_every_machine_and_in_every_version() -> None:
    """blake2b of the parts, joined by the unit separator, its first 8 bytes from the low end: what journals rely on."""
    assert derive(0, "trial", 3) == 1488063593
    assert derive("a") == 966719552


def test_seeds_depend_on_every_part_and_on_where_one_ends() -> None:
    parts = [(0, "trial", 3), (0, "trial", 4), (1, "trial", 3), (0, "sampler", 3), ("trial", 0, 3), (0, "trial3")]
    assert len({derive(*each) for each in parts}) == len(parts)
    assert derive("a", "bc") != derive("ab", "c")
    assert all(0 <= derive("many", place) < 2**31 for place in range(1000))


def test_a_generator_begins_at_its_seed_each_time() -> None:
    first, again, other = (torch.rand(3, generator=generator("x", part)) for part in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("raises", [False, True])
def test_a_block_draws_by_its_name_and_leaves_the_global_generator_as_it_was(raises: bool) -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    torch.rand(1)
    try:
        with forked("weights", 0):
            drawn = torch.rand(2)
            if raises:
                raise KeyError
    except KeyError:
        pass
    assert torch.equal(torch.rand(3), expected[1:])
    with forked("weights", 0):
        assert torch.equal(torch.rand(2), drawn)
