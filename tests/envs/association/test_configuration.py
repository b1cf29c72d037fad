"""What does not fit is refused at construction, with what to do."""

import gymnasium
import pytest

from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.association.ap_association import DEFAULT_APS

A = "twin_envs/ApAssociation-v1"


def make(env_id=A, **options):
    return gymnasium.make(env_id, device="cpu", **options).unwrapped


def test_the_default_site_has_the_aps_of_the_docstring():
    assert make().network.aps == DEFAULT_APS


def test_a_cluster_larger_than_the_site_is_refused():
    aps = make().network.aps
    with pytest.raises(ConfigurationError, match=rf"cluster_size must be at most {aps}.* smaller cluster or a site"):
        make(cluster_size=aps + 1)
    make(cluster_size=aps, num_ue=2)


def test_more_ues_than_the_aps_can_serve_are_refused():
    aps = make().network.aps
    most = aps * 2 // 5
    make(num_ue=most, ap_load=2)
    with pytest.raises(ConfigurationError, match=rf"num_ue must be at most {most}, got {most + 1}: .*larger ap_load"):
        make(num_ue=most + 1, ap_load=2)


def test_a_selection_has_no_cluster_size():
    with pytest.raises(ConfigurationError, match="no field 'cluster_size'"):
        make("twin_envs/ApSelection-v1", cluster_size=5)


def test_every_ue_is_served_by_a_whole_cluster_where_there_is_room():
    env = make(num_ue=16, ap_load=5)
    env.reset(seed=0)
    for action in range(32):
        env.step(env.action_space.sample() if action % 2 else env.action_space.high)
        decided = env.network.state.decided
        assert env.network.state.serving[0, decided].sum() == 5
