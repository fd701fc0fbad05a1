"""What the sandbox refuses, in PagerDuty's shape.

Problem
├── NotFound             404, code 2100
├── InvalidInput         400, code 2001, with errors
├── UnknownRequester     400, code 1008: the From header names nobody
├── Unauthorized         401, code 2006
└── Forbidden            403, code 2010
"""

from starlette.responses import JSONResponse


class Problem(Exception):
    """A request is refused; *status* is the HTTP status, *code* PagerDuty's own."""

    status = 500
    code = 2000
    message = "Internal Server Error"

    def __init__(self, *errors: str) -> None:
        super().__init__("; ".join((self.message, *errors)))
        self.errors = errors

    def response(self) -> JSONResponse:
        """Return the answer that PagerDuty's REST API gives."""
        error: dict[str, object] = {"message": self.message, "code": self.code}
        if self.errors:
            error["errors"] = list(self.errors)
        return JSONResponse({"error": error}, status_code=self.status)


class NotFound(Problem):
    """No resource has this id."""

    status, code, message = 404, 2100, "Not Found"


class InvalidInput(Problem):
    """The request's parameters or body do not hold together."""

    status, code, message = 400, 2001, "Invalid Input Provided"


class UnknownRequester(Problem):
    """The From header is no user's e-mail address."""

    status, code, message = 400, 1008, "Requester User Not Found"


class Unauthorized(Problem):
    """The token is missing or unknown."""

    status, code, message = 401, 2006, "Unauthorized"


class Forbidden(Problem):
    """The token may not do this."""

    status, code, message = 403, 2010, "Access Denied"
