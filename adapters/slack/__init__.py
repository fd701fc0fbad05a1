"""Slack: the card that people read, the buttons they press, and who they are."""
