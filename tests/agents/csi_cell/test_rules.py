import numpy as np
import pytest

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.csi_cell.rules import (
    DopplerClass,
    DopplerProtocol,
    DopplerRule,
    EventTrigger,
    FixedChoice,
    KnowledgeRule,
    SnrClass,
)
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.csi_cell.actions import Mode
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.csi_cell.observation import CSI_LAYOUT


@pytest.fixture(scope="module")
def envs():
    return make_envs("FeedbackInterval", 2, num_ue=2, episode_slots=200)


def observations(speed_m_s):
    """Observations that differ in nothing but the speed."""
    observation = np.full((len(speed_m_s), len(CSI_LAYOUT.fields)), 0.5, np.float32)
    observation[:, CSI_LAYOUT.index("speed")] = np.array(speed_m_s) / 20.0
    return observation


def periods(rule, speed_m_s):
    return np.array(REPORT_PERIODS_SLOTS)[rule.predict(observations(speed_m_s))[0]]


def test_period_is_the_largest_within_the_coherence_time(envs):
    # Clarke: 0.423 / Doppler. At 3.5 GHz the wavelength is 85.65 mm, so at 1 m/s the largest Doppler is 11.67 Hz, the
    # coherence time 36.2 ms: 72.5 slots of 0.5 ms, and 40 is the largest period within it. At 10 m/s it is 7.25 slots.
    rule = DopplerRule(1.0)
    rule.attach(envs.network)
    assert periods(rule, [1.0, 10.0]).tolist() == [40, 5]
    rule = DopplerRule(2.0)
    rule.attach(envs.network)
    assert periods(rule, [1.0, 10.0]).tolist() == [80, 10]


def test_period_never_grows_with_speed_and_uses_every_period(envs):
    rule = DopplerRule(1.0)
    rule.attach(envs.network)
    chosen = periods(rule, np.geomspace(0.05, 20.0, 500))
    assert (np.diff(chosen) <= 0).all()
    assert set(chosen) == set(REPORT_PERIODS_SLOTS)


def test_still_ues_have_the_longest_period_and_fast_ones_the_shortest(envs):
    rule = DopplerRule(0.1)
    rule.attach(envs.network)
    assert periods(rule, [0.0, 20.0]).tolist() == [320, 4]


def test_only_the_product_of_constant_and_coherence_time_counts(envs):
    slow, fast = DopplerRule(3.0), DopplerRule(6.0)
    slow.attach(envs.network)
    fast.attach(envs.network)
    speed = np.geomspace(0.1, 9.9, 40)
    assert np.array_equal(periods(slow, speed), periods(fast, 2 * speed))


@pytest.mark.parametrize("constant", [0.0, -1.0, float("nan"), 1e7])
def test_constant_out_of_range_is_refused(constant):
    with pytest.raises(ConfigurationError, match="constant must be"):
        DopplerRule(constant)


MODE = Mode(csi_rs=1, additional=0, codeword=2)


def decided(name, rule, beyond_nr=True, **fields):
    """Actions of a rule for observations that differ in the given fields alone, [N] values in their units."""
    envs = make_envs(name, 2, num_ue=2, episode_slots=200, codec="csinet", beyond_nr=beyond_nr)
    observation = observations([5.0] * len(next(iter(fields.values()))))
    for field, values in fields.items():
        index = CSI_LAYOUT.index(field)
        low, high = CSI_LAYOUT.fields[index].low, CSI_LAYOUT.fields[index].high
        observation[:, index] = (np.array(values) - low) / (high - low)
    rule.attach(envs.network)
    return rule.predict(observation)[0].tolist()


def test_an_event_makes_the_next_period_shorter_and_its_absence_longer():
    last = np.log10([40, 40, 4, 320])
    similarity = [0.5, 0.9, 0.5, 0.9]
    actions = decided("CsiProtocol", EventTrigger(0.8, MODE), last_period=last, similarity=similarity)
    assert actions == [[5, 1, 0, 2], [7, 1, 0, 2], [0, 1, 0, 2], [9, 1, 0, 2]]


def test_pilots_are_decided_by_class_of_snr_or_doppler():
    assert decided("PilotDensity", SnrClass(20.0, MODE), snr=[10.0, 22.9, 23.1, 28.9, 60.0]) == [0, 0, 4, 8, 16]
    as_nr = decided("PilotDensity", SnrClass(20.0, MODE), beyond_nr=False, snr=[10.0, 23.1, 28.9, 60.0])
    assert as_nr == [0, 4, 4, 4]  # no sparser than every second block
    # 5 m/s is 58 Hz, 12 m/s 140 Hz at 3.5 GHz
    assert decided("PilotDensity", DopplerClass(100.0, MODE), speed=[5.0, 12.0]) == [4, 5]
    assert decided("PilotDensity", DopplerClass(20.0, MODE), speed=[0.0, 12.0]) == [4, 7]


def test_a_doppler_protocol_sends_long_reports_where_the_period_leaves_room():
    """A fiftieth of 51 blocks in one slot of five: .204 blocks in a slot. The last report took 4 for 128 bits."""
    rule = DopplerProtocol(1.0, 20.0, 0.25)
    options = {"codec": "csinet", "csi_uplink_share": 0.02, "beyond_nr": True}
    envs = make_envs("CsiProtocol", 2, num_ue=2, episode_slots=200, **options)
    rule.attach(envs.network)
    observation = observations([0.0, 0.5, 1.0, 12.0])
    observation[:, CSI_LAYOUT.index("snr")] = (np.array([10.0, 23.1, 28.9, 60.0]) + 10) / 70
    observation[:, CSI_LAYOUT.index("last_blocks")] = 2 / 9  # log2 of 4, from 0 to 9
    observation[:, CSI_LAYOUT.index("last_codeword")] = 3 / 8  # log2 of 128, from 4 to 12
    # At 0.5, 1 and 12 m/s the coherence time is 145, 72 and 6 slots: periods of 80, 40 and 5. A quarter of what the
    # uplink has in 320 slots is 16.3 blocks, in 80 slots 4.1, in 40 slots 2.0: 512, 128 and 64 bits; in 5 slots none.
    assert rule.predict(observation)[0].tolist() == [[9, 0, 0, 3], [7, 1, 0, 1], [6, 2, 0, 0], [1, 4, 0, 0]]


def test_knowledge_sets_period_and_spacing_where_there_is_some():
    rule = KnowledgeRule(2.0, 0.5, MODE)
    fields = {"known": [1.0, 1.0, 0.0], "twin_coherence_time": np.log10([0.0101, 0.0026, 1.0])}
    fields["twin_coherence_bandwidth"] = np.log10([3e6, 1e5, 1e9])
    # 40 and 10 slots; 0.5 x 3 MHz are four blocks of 360 kHz. Unknown: at 5 m/s 2 x 7.2 ms, 28 slots.
    expected = [[6, 2, 0, 2], [3, 0, 0, 2], [5, 0, 0, 2]]
    assert decided("CsiProtocol", rule, **fields) == expected


def test_fixed_choices_are_what_they_say_in_every_environment():
    fixed = FixedChoice(80, MODE)
    assert decided("CsiProtocol", fixed, speed=[1.0]) == [[7, 1, 0, 2]]
    assert decided("CsiProtocolFlat", fixed, speed=[1.0]) == [7 * 80 + 16 + 2]
    assert decided("FeedbackInterval", fixed, speed=[1.0]) == [7]
    assert decided("PilotDensity", fixed, speed=[1.0]) == [4]
