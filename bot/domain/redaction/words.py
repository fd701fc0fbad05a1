"""Word lists, written as text."""


def words(text: str) -> frozenset[str]:
    """Return the words of *text*, which spaces and line breaks separate."""
    return frozenset(text.split())
