"""Every way in which the domain says no, one class for each way a caller reacts.

HandrailError
├── Invalid                 the input is wrong: show the message to whoever wrote it
│   ├── InvalidPlaybook     names the file and the line
│   ├── InvalidCatalogue    names services.yaml and the entry
│   ├── InvalidPolicy       names policy.yaml and the line, or what it loosens
│   └── InvalidPlan         a plan that must not be offered
├── Refused                 somebody asked for what they may not have: tell them privately
├── Unavailable             a neighbour did not answer: try again later
│   └── RateLimited         it said when
├── Unclear                 a write was sent and its answer lost: ask before sending again
├── NotFound                the thing asked for does not exist
└── Tampered                the record contradicts itself: stop and alarm
"""

from datetime import timedelta


class HandrailError(Exception):
    """The root of what Handrail raises on purpose; the message says what to do next."""


class Invalid(HandrailError):
    """The input is wrong and stays wrong until somebody changes it."""


class InvalidPlaybook(Invalid):
    """A playbook file cannot be used; the message names the file, the line and the remedy."""


class InvalidCatalogue(Invalid):
    """The service catalogue cannot be used; the message names the entry and the remedy."""


class InvalidPolicy(Invalid):
    """The policy cannot be used; the message names the file and the line, or what it lets through."""


class InvalidPlan(Invalid):
    """A plan must not be offered: it cannot be shown whole, or it holds a secret."""


class Refused(HandrailError):
    """A person asked for something they may not have; the message is for them."""


class Unavailable(HandrailError):
    """A neighbour did not answer, or answered that it cannot; nothing was changed by the attempt."""


class RateLimited(Unavailable):
    """A neighbour asked us to wait."""

    def __init__(self, message: str, *, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unclear(HandrailError):
    """A write was sent and its answer lost: it may have happened."""


class NotFound(HandrailError):
    """The thing asked for does not exist, or the asker may not know that it does."""


class Tampered(HandrailError):
    """The record contradicts itself: nothing may start until a person has looked."""
