"""The HTTP server that both the API server and the containers of the platform of tests are."""

import sys
from http.server import ThreadingHTTPServer
from typing import Any


class Listener(ThreadingHTTPServer):
    """Says nothing of clients that were killed in the middle of a call: that is no trouble of ours.

    Its threads end with the process.
    """

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
