"""What the commands share."""

import pytest

from twin_envs.base.commands import parse_json_object
from twin_envs.base.errors import ConfigurationError


@pytest.mark.parametrize("text", ["", "[]", "{num_ue: 2}"])
def test_options_that_are_no_object_are_refused(text):
    with pytest.raises(ConfigurationError, match="options must be a JSON object"):
        parse_json_object("options", text)
