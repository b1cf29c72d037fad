"""The picture of channel estimates shows what the study says."""

from twin_envs.benchmarks.report import estimates


def test_each_line_is_an_estimators_errors():
    study = estimates.figures()
    figure = estimates.picture(study)
    assert len(figure.axes) == len(study["nmse_db"]) > 1
    for axes, errors_db in zip(figure.axes, study["nmse_db"].values(), strict=True):
        drawn = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
        assert {"twin-net-1m", "paths-net", "true-covariance"} < set(drawn)
        assert all(errors_db[name] == values for name, values in drawn.items())
