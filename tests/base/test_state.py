"""State of many environments: made, cleared, copied and looked at by its fields alone."""

from dataclasses import dataclass, fields

import pytest
import torch

from twin_envs.base.state import TensorState, tensor

NUM_ENVS, SIZES = 5, {"ue": 3, "antenna": 4}


@dataclass(kw_only=True)
class Plain(TensorState):
    charge: torch.Tensor = tensor("env", "ue", initial=2.5)
    count: torch.Tensor = tensor("env", dtype=torch.int64, initial=-1)


@dataclass(kw_only=True)
class Rich(Plain):
    """With fields of another class, axes in another order, fixed sizes and all kinds of numbers."""

    far: torch.Tensor = tensor("antenna", 2, "env", "ue", dtype=torch.float64, initial=7)
    on: torch.Tensor = tensor("env", dtype=torch.bool, initial=True)
    h: torch.Tensor = tensor("ue", "env", "antenna", dtype=torch.complex64)


AXES = {"charge": (0, (5, 3)), "count": (0, (5,)), "far": (2, (4, 2, 5, 3)), "on": (0, (5,)), "h": (1, (3, 5, 4))}
DTYPES = {"charge": torch.float32, "count": torch.int64, "far": torch.float64, "on": torch.bool, "h": torch.complex64}
INITIAL = {"charge": 2.5, "count": -1, "far": 7.0, "on": True, "h": 0j}


def create():
    return Rich.create(NUM_ENVS, **SIZES)


def drawn(seed):
    """A state full of different numbers."""
    state, generator = create(), torch.Generator().manual_seed(seed)
    for values in state.rows().values():
        values.copy_((torch.rand(values.shape, generator=generator) * 100).to(values.dtype))
    return state


def of(state, name, env):
    """What a field says of one environment."""
    return getattr(state, name).select(AXES[name][0], env)


def test_it_is_made_of_its_fields_with_their_shapes_types_and_initial_values():
    state = create()
    assert {f.name for f in fields(state)} == set(AXES)
    for name, (_, shape) in AXES.items():
        values = getattr(state, name)
        assert values.shape == shape
        assert values.dtype == DTYPES[name]
        assert (values == INITIAL[name]).all()


def test_fields_need_their_sizes():
    with pytest.raises(KeyError, match="antenna"):
        Rich.create(NUM_ENVS, ue=3)


def test_it_lies_where_it_is_told_to():
    assert {values.device.type for values in vars(Rich.create(2, "meta", **SIZES)).values()} == {"meta"}


def test_rows_have_the_environments_first_and_are_the_same_memory():
    state = create()
    rows = state.rows()
    assert list(rows) == ["charge", "count", "far", "on", "h"]
    assert {name: len(values) for name, values in rows.items()} == dict.fromkeys(AXES, NUM_ENVS)
    assert rows["far"].shape == (5, 4, 2, 3)
    rows["far"][3] = 1.0
    assert (state.far[:, :, 3] == 1.0).all()
    assert (state.far[:, :, :3] == 7.0).all()


def test_clearing_gives_some_environments_their_initial_values_and_leaves_the_others():
    state, before = drawn(0), drawn(0)
    state.clear(torch.tensor([4, 1]))
    for name in AXES:
        for env in range(NUM_ENVS):
            if env in (1, 4):
                assert (of(state, name, env) == INITIAL[name]).all()
            else:
                assert torch.equal(of(state, name, env), of(before, name, env))


@pytest.mark.parametrize("rows", [[], [2, 2]])
def test_clearing_none_or_one_twice(rows):
    state, before = drawn(0), drawn(0)
    state.clear(torch.tensor(rows, dtype=torch.int64))
    for name in AXES:
        assert torch.equal(of(state, name, 0), of(before, name, 0))
        assert torch.equal(of(state, name, 2), of(create() if rows else before, name, 2))


def test_imitating_copies_environments_to_others_and_nothing_else():
    state, before, other = drawn(0), drawn(0), Rich.create(7, **SIZES)
    for values, more in zip(other.rows().values(), drawn(1).rows().values(), strict=True):
        values[:5] = more
    kept = [values.clone() for values in vars(other).values()]
    state.imitate(torch.tensor([0, 3, 4]), other, torch.tensor([2, 6, 2]))
    for name in AXES:
        for mine, theirs in ((0, 2), (3, 6), (4, 2)):
            assert torch.equal(of(state, name, mine), of(other, name, theirs))
        for env in (1, 2):
            assert torch.equal(of(state, name, env), of(before, name, env))
    assert all(torch.equal(now, then) for now, then in zip(vars(other).values(), kept, strict=True))


def test_what_was_imitated_is_a_copy():
    state, other = drawn(0), drawn(1)
    state.imitate(torch.arange(NUM_ENVS), other, torch.arange(NUM_ENVS))
    other.clear(torch.arange(NUM_ENVS))
    assert all(torch.equal(values, drawn(1).rows()[name]) for name, values in state.rows().items())


def test_environments_of_one_state_may_imitate_each_other():
    state, before = drawn(0), drawn(0)
    state.imitate(torch.arange(NUM_ENVS), state, torch.arange(NUM_ENVS).flip(0))
    for name in AXES:
        for env in range(NUM_ENVS):
            assert torch.equal(of(state, name, env), of(before, name, NUM_ENVS - 1 - env))
