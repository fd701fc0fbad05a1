"""The whole template language of playbooks."""

from collections.abc import Mapping

from bot.domain.words import PLACEHOLDER


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each `{name}` by its value, once: a value that looks like a placeholder stays as it is."""
    return PLACEHOLDER.sub(lambda found: values[found.group(1)], text)
