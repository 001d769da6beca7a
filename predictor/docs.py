"""The API's description for admins: the OpenAPI document, and a page of it that needs no network.

The answers carry no script, and nothing from elsewhere.
"""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from predictor import openapi
from predictor.access import Access
from predictor.answers import as_json
from predictor.model import PackagedModel
from predictor.protocol import server_metadata

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "td{padding:.3em 1em .3em 0;vertical-align:top}code{font-size:90%}"
)


class Docs:
    """Handlers that want an admin's key."""

    def __init__(self, model: PackagedModel, access: Access) -> None:
        self._model = model
        self._access = access

    async def document(self, request: Request) -> Response:
        """OpenAPI, as JSON."""
        self._access.check_admin(request.headers.get("authorization"))
        return as_json(self._described())

    async def page(self, request: Request) -> Response:
        """Every operation, and a line of curl that works."""
        self._access.check_admin(request.headers.get("authorization"))
        described = self._described()
        rows = "".join(
            f"<tr><td>{method.upper()}</td><td><code>{escape(path)}</code></td>"
            f"<td>{escape(operation['summary'])}</td></tr>"
            for path, operations in sorted(described["paths"].items())
            for method, operation in operations.items()
        )
        title = escape(described["info"]["title"])
        return HTMLResponse(
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
            f"<style>{_STYLE}</style><h1>{title}</h1>"
            f"<p>Classes: {escape(', '.join(self._model.package.labels))}</p>"
            f"<pre>curl -F file=@photo.jpg {escape(str(request.base_url))}predict</pre>"
            f"<p>In full: <a href=openapi.json>openapi.json</a></p><table>{rows}</table></html>",
            headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"},
        )

    def _described(self) -> openapi.Schema:
        package = self._model.package
        return openapi.document(
            self._model.name, package.labels, package.digest, server_metadata()["version"]
        )
