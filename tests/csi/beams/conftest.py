"""The packaged site with beams."""

import pytest

from twin_envs.world.store.site import load_site


@pytest.fixture(scope="session")
def site():
    """The packaged site with beams."""
    return load_site("munich-28ghz")
