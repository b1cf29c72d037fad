"""The predictors that a cell may have, by the option `prediction`.

A predictor is called with a `Setting`, and gives a `Predictor`:

* `hold`: the channel stays as it was reported;
* `hold-aged`: it stays so, with an error that grows with its age;
* `wiener`: each angle-delay bin goes on as its last reports say, by a Wiener filter that knows the UE's speed;
* `twin-paths`: each path of the last reports goes on with the Doppler shift that the twin expects of it;
* `paths-net`: each goes on with the one that a network makes out of these reports;
* `twin-net`: with the one that the network makes out of these reports and of what the twin expects.
"""

from __future__ import annotations

from collections.abc import Callable

from twin_envs.base.registry import Registry
from twin_envs.csi.prediction.protocol import Predictor, Setting

predictors: Registry[Callable[[Setting], Predictor]] = Registry(
    "prediction",
    "twin_envs.predictors",
    takes=("setting",),
    hold="twin_envs.csi.prediction.hold:from_setting",
    wiener="twin_envs.csi.prediction.wiener:from_setting",
    **{
        "hold-aged": "twin_envs.csi.prediction.hold_aged:from_setting",
        "twin-paths": "twin_envs.csi.prediction.twin_paths:from_setting",
        "paths-net": "twin_envs.csi.prediction.net.predictor:without_twin",
        "twin-net": "twin_envs.csi.prediction.net.predictor:with_twin",
    },
)
"""Predictors by name, those of other packages among them."""
