"""A training goes on from its checkpoint, after an interruption or to more steps."""

import pytest
import torch
from toy_training import ACTIONS, Interrupted, interrupt_at, train, weights

from twin_envs.agents import train as training
from twin_envs.agents.learning.algorithms import ALGORITHMS
from twin_envs.agents.learning.checkpoints import CHECKPOINT_FILE, read_checkpoint
from twin_envs.agents.learning.saving import load_policy
from twin_envs.base.errors import ConfigurationError


@pytest.mark.parametrize(("algorithm", "actions"), [*ACTIONS.items(), ("ppo", "Item")])
def test_interrupted_training_goes_on_from_its_weights_to_the_number_of_steps(
    algorithm, actions, tmp_path, monkeypatch
):
    with pytest.raises(Interrupted):
        train(algorithm, steps=256, actions=actions, folder=tmp_path, progress=interrupt_at(128))
    card = read_checkpoint(tmp_path)
    assert card.steps == 128
    started = []
    real = training.restore

    def restore(folder, model):
        fresh = torch.cat([p.flatten() for p in model.policy.state_dict().values()])
        real(folder, model)
        kept = torch.cat([p.flatten() for p in model.policy.state_dict().values()])
        adam = next(iter(model.policy.optimizer.state.values()), None) if algorithm != "sac" else None
        started.append((fresh, kept, adam))

    monkeypatch.setattr(training, "restore", restore)
    told = []
    policy, done = train(
        algorithm, steps=256, actions=actions, folder=tmp_path, progress=lambda steps, _: told.append(steps)
    )
    assert (told[0], told[-1], done.steps) == (128, 256, 256)
    ((fresh, kept, adam),) = started
    assert not torch.equal(fresh, kept)
    assert adam is None or adam["step"] > 0
    assert not torch.equal(weights(policy), kept)
    points = [steps for steps, _ in done.learning_curve]
    assert points == sorted(points)
    assert len(points) > len(card.learning_curve)
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_checkpoint_of_another_training_or_a_damaged_one_is_refused(tmp_path):
    with pytest.raises(Interrupted):
        train("ppo", steps=256, folder=tmp_path, progress=interrupt_at(128))
    with pytest.raises(ConfigurationError, match="seed must be 0, as in the checkpoint, got 1"):
        train("ppo", seed=1, folder=tmp_path)
    with pytest.raises(ConfigurationError, match="algorithm must be 'ppo'"):
        train("recurrent_ppo", folder=tmp_path, actions="MultiDiscrete")
    path = tmp_path / CHECKPOINT_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(ConfigurationError, match=CHECKPOINT_FILE):
        train("ppo", folder=tmp_path)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_finished_training_goes_on_to_more_steps_from_its_weights(algorithm, tmp_path, monkeypatch):
    first, card = train(algorithm, steps=128, folder=tmp_path)
    begun = []
    real = training.restore

    def restore(folder, model):
        real(folder, model)
        begun.append(torch.cat([tensor.flatten() for tensor in model.policy.state_dict().values()]))

    monkeypatch.setattr(training, "restore", restore)
    points = [list(point) for point in card.learning_curve]
    told = []
    second, more = train(algorithm, steps=512, folder=tmp_path, progress=lambda steps, _: told.append(steps))
    assert torch.equal(begun[0], weights(first))
    assert not torch.equal(weights(second), weights(first))
    assert (told[0], told[-1], more.steps) == (128, 512, 512)
    assert more.learning_curve[: len(points)] == points
    added = [steps for steps, _ in more.learning_curve[len(points) :]]
    assert added[-1] == 512
    assert len(added) >= 4
    assert torch.equal(weights(load_policy(tmp_path)[0]), weights(second))


def test_fewer_steps_than_are_done_are_refused(tmp_path):
    with pytest.raises(Interrupted):
        train("ppo", steps=256, folder=tmp_path, progress=interrupt_at(128))
    for steps in (64, 128):
        with pytest.raises(ConfigurationError, match=f"steps must be more than the 128 .* got {steps}"):
            train("ppo", steps=steps, folder=tmp_path)
