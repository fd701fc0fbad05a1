"""Text from outside, for a terminal: it may move no cursor, hide nothing and begin no line of its own."""


def plain(text: str) -> str:
    """Return *text* with every sign that is not printed, line ends and ANSI codes among them, written out."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
