"""An HTTP transport for requests that bounds a whole answer, in bytes and in time."""

import time
from datetime import timedelta
from io import BytesIO
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ReadTimeout

LARGEST_ANSWER = 20_000_000  # Our choice: a hundred alerts with 100 KB of details each fit.


class BoundedTransport(HTTPAdapter):
    """Reads each answer's body at once; one that takes longer than *within* is given up.

    The time limit of requests is for each wait on the socket: a byte now and then would hold a thread for
    ever.
    """

    def __init__(self, within: timedelta) -> None:
        super().__init__()
        self._within_s = within.total_seconds()

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send *request* and return the answer with its whole body in memory.

        Raises:
            ReadTimeout: the body came too slowly, or was too large.
        """
        response = super().send(request, *args, **{**options, "stream": True})
        deadline = time.monotonic() + self._within_s
        whole = BytesIO()
        while chunk := response.raw.read1(65_536, decode_content=True):
            whole.write(chunk)
            if time.monotonic() > deadline or whole.tell() > LARGEST_ANSWER:
                response.raw.close()
                raise ReadTimeout("The body came too slowly or was too large.", request=request)
        whole.seek(0)
        response.raw = whole
        return response
