"""Who may ask: this machine's browser that was given the address, and nobody else.

Another web page must neither read the images nor answer for the person: the Host header has to be ours (DNS
rebinding), a random token in the first address becomes a cookie that no other page's request carries
(SameSite=Strict), and what changes something must come from our own page (Origin) as JSON.
"""

from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 64 * 2**10
"""ours: bytes of a request."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def cookie_name(port: int) -> str:
    """Of the cookie; a browser sends those of every port to each port of a host."""
    return f"usb_ext_label_{port}"


class Guard:
    """Lets through what is allowed, and puts HEADERS on every answer.

    Args:
        app: what is guarded.
        token: the random word in the address.
        port: of the server.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._cookie = cookie_name(port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or refuse it."""
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self._refused(scope) or self._welcomed(scope)
        await (answer or self._app)(scope, receive, with_headers)

    def _refused(self, scope: Scope) -> Response | None:
        """What is wrong with a request whoever sends it."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self._hosts or len(headers.getlist("host")) > 1:
            return PlainTextResponse("another host than this machine", 421)
        if scope["method"] == "GET":
            return None
        if headers.get("origin", f"http://{host}") != f"http://{host}":
            return PlainTextResponse("from another page", 403)
        if headers.get("content-type", "").split(";")[0] != "application/json":
            return PlainTextResponse("expected application/json", 415)
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit() and int(length) <= LARGEST_BODY):
            return PlainTextResponse("too long", 413)
        return None

    def _welcomed(self, scope: Scope) -> Response | None:
        """The first request gets the cookie, later ones must bring it."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and given and self._is_ours(given):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
            return answer
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(Headers(scope=scope).get("cookie", ""))
        except CookieError:
            jar.clear()
        held = jar.get(self._cookie)
        if held is None or not self._is_ours(held.value):
            return PlainTextResponse(
                "Open the address that `usb-ext label` shows: it holds the token of this page.\n",
                403,
            )
        return None

    def _is_ours(self, word: str) -> bool:
        return compare_digest(word.encode(), self._token.encode())
