"""What is written to the log: lines for people, or one JSON object a line; never a picture.

In: records, and the request that each is about. Out: lines on standard error.
"""

import json
import logging
import re
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import uuid4

REQUEST_ID = "x-request-id"
FORMATS = ("text", "json")

requests = logging.getLogger("weathervane.predictor.requests")

# What fits into a header, a log line and a file name as it is; Envoy's are UUIDs.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def configure(form: str, *, each_request: bool) -> None:
    """Write INFO and above in ``form``, one of `FORMATS`; a line a request if ``each_request``."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonLines()
        if form == "json"
        else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    requests.setLevel(logging.INFO if each_request else logging.WARNING)
    # The SDK and its web server tell of every step; we tell of our own.
    for name in ("kserve", "uvicorn", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # An error says at its end what each of the store's retries would say before. A client's
    # malformed form is the client's to know.
    for name in ("urllib3", "python_multipart"):
        logging.getLogger(name).setLevel(logging.ERROR)


class JsonLines(logging.Formatter):
    """Time in UTC, level, logger, message; the fields of a request; the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "request", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def request_id(given: str | None) -> str:
    """The id that the client or a proxy gave, when it can be written anywhere; else a new one."""
    return given if given and _REQUEST_ID.fullmatch(given) else uuid4().hex


def answered(
    method: str, path: str, *, status: int, seconds: float, request: str, kind: str = ""
) -> None:
    """Tell of one request.

    Args:
        method: of HTTP, or ``gRPC``.
        path: decoded, or the name of a gRPC call.
        status: of the answer, as over HTTP.
        seconds: that it took.
        request: its id.
        kind: of its error.
    """
    if requests.isEnabledFor(logging.INFO):
        # A path may hold line breaks, once decoded.
        call = f"{method} {quote(path, safe='/:')}"
        milliseconds = round(seconds * 1000, 3)
        requests.info(
            "%s: %d%s in %s ms, request %s",
            *(call, status, kind and f" {kind}", milliseconds, request),
            extra={
                "request": {
                    "request_id": request,
                    "call": call,
                    "status": status,
                    "milliseconds": milliseconds,
                    **({"kind": kind} if kind else {}),
                }
            },
        )
