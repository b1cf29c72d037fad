import numpy as np
from gymnasium import spaces

from twin_envs.wrappers.learner_space import from_learner, learner_space, to_learner


def test_learner_acts_in_a_symmetric_box_that_is_scaled_to_the_environments():
    box = spaces.Box(-1.0, 3.0, (2,), np.float32)
    assert learner_space(box) == spaces.Box(-1.0, 1.0, (2,), np.float32)
    actions = from_learner(np.array([[-1.0, 0.0], [1.0, 0.5]], np.float32), box)
    assert actions.tolist() == [[-1.0, 1.0], [3.0, 2.0]]
    awkward = spaces.Box(0.1, 0.7, (2,), np.float32)
    assert all(awkward.contains(row) for row in from_learner(np.array([[-1, 1], [1, -1]], np.float32), awkward))


def test_learner_has_its_own_copy_of_a_space_that_it_seeds():
    space = spaces.Discrete(1000)
    space.seed(0)
    learner_space(space).seed(1)
    first = space.sample()
    space.seed(0)
    assert space.sample() == first


def test_what_the_environment_is_to_do_is_what_a_learner_would_have_chosen():
    box = spaces.Box(-1.0, 3.0, (2,), np.float32)
    assert to_learner(np.array([[-1.0, 1.0], [3.0, 2.0]], np.float32), box).tolist() == [[-1.0, 0.0], [1.0, 0.5]]
    assert to_learner(np.array([2, 0]), spaces.Discrete(3)).tolist() == [2, 0]
