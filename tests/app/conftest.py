"""The bot that most tests of the application begin with."""

import pytest

from tests.app.world import Bot, a_bot


@pytest.fixture
def bot() -> Bot:
    return a_bot()
