"""What can go wrong in the sandbox.

Exception
├── SlackRefusedError    the Web API refuses a call, with Slack's own error code
└── SandboxMisuseError   a person cannot do that: no such user, message, button or view
"""


class SlackRefusedError(Exception):
    """The Web API refuses this call.

    *error* is Slack's code; *messages* go to `response_metadata.messages`, as Slack explains a bad block;
    *retry_after* (seconds) makes it an HTTP 429.
    """

    def __init__(
        self,
        error: str,
        *,
        messages: tuple[str, ...] = (),
        needed: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.messages = messages
        self.needed = needed
        self.retry_after = retry_after


class SandboxMisuseError(LookupError):
    """The person's action is not possible in Slack's client; the message says what is missing."""
