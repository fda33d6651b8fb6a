"""Page, images and answers over HTTP, for this machine and for who has the address alone.

The address carries a random token, which the first request turns into a cookie; every other request needs
it. Requests that name another host, as a page of the web could make them by rebinding a name, are refused,
and the page takes nothing from elsewhere.
"""

import hmac
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path

from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from usb_ext.core.errors import SettingsError, UsbExtError
from usb_ext.data.decode import BadImage, opened, upright_rgb
from usb_ext.labelling.table import Row, Stale, Table

HOSTS = ("127.0.0.1", "localhost")
COOKIE = "usb_ext_label"
SHOWN_AS_THEY_ARE = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
}
"""Formats that browsers show, turned as EXIF says; others are sent as PNG."""

MOST_PIXELS = 2000
"""ours: longer side of an image that is converted."""

PAGE = {"app.js": "text/javascript", "style.css": "text/css"}
SAFE = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, eq=False)
class Labelling:
    """What is served.

    Attributes:
        table: the answers.
        files: the image of each row.
        token: who has it may label.
        done: called when the person says that it is enough.
        title: what is labelled, for the page.
        new_classes: whether classes may be added.
    """

    table: Table
    files: Sequence[Path]
    token: str
    done: Callable[[], object]
    title: str = ""
    new_classes: bool = True

    def application(self) -> Starlette:
        """The application."""
        routes = [
            Route("/", self.enter),
            Route("/page/{name}", self._held(self.asset)),
            Route("/state", self._held(self.state)),
            Route("/image/{number:int}", self._held(self.image)),
            Route("/answer", self._held(self.answer), methods=["POST"]),
            Route("/class", self._held(self.add_class), methods=["POST"]),
            Route("/done", self._held(self.end), methods=["POST"]),
        ]
        hosts = Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False)
        return Starlette(routes=routes, middleware=[hosts])

    async def enter(self, request: Request) -> Response:
        """The page; with the token in the address, first the cookie."""
        given = request.query_params.get("token")
        if given is not None and self._is_token(given):
            answer = RedirectResponse("/", status_code=303, headers=SAFE)
            answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            return answer
        if not self._is_token(request.cookies.get(COOKIE, "")):
            return _refused()
        text = (package_files("usb_ext.labelling") / "page" / "index.html").read_text("utf-8")
        return Response(text, media_type="text/html", headers=SAFE)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _held(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint for who has the cookie."""

        async def checked(request: Request) -> Response:
            if not self._is_token(request.cookies.get(COOKIE, "")):
                return _refused()
            try:
                answer = await endpoint(request)
            except UsbExtError as error:
                answer = JSONResponse({"error": str(error)}, status_code=400)
            answer.headers.update(SAFE)
            return answer

        return checked

    async def asset(self, request: Request) -> Response:
        """Script and style of the page."""
        name = request.path_params["name"]
        if name not in PAGE:
            return Response(status_code=404)
        text = (package_files("usb_ext.labelling") / "page" / name).read_text("utf-8")
        return Response(text, media_type=PAGE[name])

    async def state(self, request: Request) -> Response:
        """Everything that the page shows."""
        return JSONResponse(self._state())

    def _state(self) -> dict[str, object]:
        table = self.table
        return {
            "title": self.title,
            "version": table.version,
            "classes": table.classes,
            "new_classes": self.new_classes,
            "images": [_as_json(row) for row in table.rows],
        }

    async def image(self, request: Request) -> Response:
        """An image as it is, or as PNG where a browser does not show its format."""
        number = request.path_params["number"]
        if number >= len(self.files):
            return Response(status_code=404)
        return await run_in_threadpool(_image, self.files[number])

    async def answer(self, request: Request) -> Response:
        """Take an answer; gives the state with it on disk, or 409 and the state where it came too late."""
        given = await _json(request)
        number, label, unsure, seen = (given.get(n) for n in ("number", "label", "unsure", "seen"))
        whole = isinstance(number, int) and isinstance(seen, int) and isinstance(unsure, bool)
        if not whole or not isinstance(label, str):
            raise SettingsError("an answer has number, label, unsure and seen")
        try:
            await run_in_threadpool(self.table.answer, number, label, unsure, seen)  # type: ignore[arg-type]
        except Stale:
            return JSONResponse(self._state(), status_code=409)
        return JSONResponse(self._state())

    async def add_class(self, request: Request) -> Response:
        """Add a class; gives the state."""
        name = (await _json(request)).get("name")
        if not self.new_classes or not isinstance(name, str):
            raise SettingsError("the classes were given and stay as they are")
        await run_in_threadpool(self.table.add_class, name)
        return JSONResponse(self._state())

    async def end(self, request: Request) -> Response:
        """The person is done."""
        self.done()
        return JSONResponse({"labelled": self.table.labelled, "images": len(self.table.rows)})


def _as_json(row: Row) -> dict[str, object]:
    return {"name": row.name, "label": row.label, "unsure": row.unsure}


def _refused() -> Response:
    text = "Open the address that `usb-ext label` shows: it holds the token of this page.\n"
    return Response(text, status_code=403, media_type="text/plain", headers=SAFE)


async def _json(request: Request) -> dict[str, object]:
    """The object that a request carries.

    Raises:
        SettingsError: none.
    """
    try:
        found = await request.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SettingsError("the request holds no JSON object")
    return found


def _image(path: Path) -> Response:
    try:
        with opened(path) as image:
            kind = SHOWN_AS_THEY_ARE.get(image.format or "")
            if kind is not None:
                return FileResponse(path, media_type=kind)
            shown = upright_rgb(image)
    except BadImage as error:
        return Response(f"cannot be decoded: {error}", status_code=415, media_type="text/plain")
    shown.thumbnail((MOST_PIXELS, MOST_PIXELS), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    shown.save(stream, format="PNG")
    return Response(stream.getvalue(), media_type="image/png")
