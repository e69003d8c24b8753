"""Who may look: only GET and HEAD, only under this machine's own names or with a token."""

import hmac
from collections.abc import Collection
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""What a browser may do on a page. Plotly writes style elements; scripts come from files alone."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer that does not set its own."""

REFUSED = "This address needs the token that the terminal shows: open the link that stands there.\n"

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Guard:
    """Lets through what may be answered, and puts `HEADERS` on every answer.

    Args:
        app: What answers.
        hosts: Names under which the application may be asked for, against pages of other hosts
            whose name was made to lead here (DNS rebinding); None for any.
        token: Must be in the address once, then in a cookie; None without.
        cookie: The cookie's name; the browser keeps no cookies apart by port.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str] | None = LOOPBACK,
        token: str | None = None,
        cookie: str = "thalweg",
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._token = token
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to what may not pass; None for what may."""
        if scope["method"] not in ("GET", "HEAD"):
            allowed = {"allow": "GET, HEAD"}
            return PlainTextResponse("Nothing can be changed here.\n", 405, headers=allowed)
        if self._hosts is not None and _host(Headers(scope=scope)) not in self._hosts:
            return PlainTextResponse("This is no name of this application.\n", 400)
        if self._token is None:
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for key, value in query if key == "token"]
        if given and self._is_token(given[0]):
            rest = urlencode([(key, value) for key, value in query if key != "token"])
            return self._welcome(scope["path"], rest)
        if self._is_token(HTTPConnection(scope).cookies.get(self._cookie, "")):
            return None
        return PlainTextResponse(REFUSED, 403)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), (self._token or "").encode())

    def _welcome(self, path: str, query: str) -> Response:
        """Return a page that goes on to the address without the token: a redirection would not
        carry the cookie where a page of another host has led here.
        """
        assert self._token is not None
        address = f"{_quoted_path(path)}?{query}" if query else _quoted_path(path)
        page = (
            '<!doctype html><html lang="en"><title>Thalweg</title>'
            f'<meta http-equiv="refresh" content="0; url={address}">'
            f'<p><a href="{address}">Thalweg</a></p>'
        )
        answer = HTMLResponse(page)
        answer.set_cookie(self._cookie, self._token, path="/", httponly=True, samesite="strict")
        return answer


def _quoted_path(path: str) -> str:
    """Return a path as it may stand in an attribute; never one that another host would be read
    from.
    """
    return "/" + quote(path.lstrip("/"), safe="/")


def _host(headers: Headers) -> str:
    """Return the name that was asked for, without its port."""
    host = headers.get("host", "")
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()
