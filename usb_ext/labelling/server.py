"""Page, images and answers over HTTP; `guard.py` says who may ask, and what an answer may lead to."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path

from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from usb_ext.core.errors import SettingsError, UsbExtError
from usb_ext.data.decode import BadImage, opened, upright_rgb
from usb_ext.data.fingerprint import printable
from usb_ext.labelling.guard import Guard
from usb_ext.labelling.table import Row, Stale, Table

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


@dataclass(frozen=True, eq=False)
class Labelling:
    """What is served.

    Attributes:
        table: the answers.
        files: the image of each row.
        token: who has it may label.
        port: of the server.
        done: called when the person says that it is enough.
        title: what is labelled, for the page.
        new_classes: whether classes may be added.
    """

    table: Table
    files: Sequence[Path]
    token: str
    port: int
    done: Callable[[], object]
    title: str = ""
    new_classes: bool = True

    def application(self) -> ASGIApp:
        """The application."""
        routes = [
            Route("/", self.enter),
            Route("/page/{name}", self.asset),
            Route("/state", self.state),
            Route("/image/{number:int}", self.image),
            Route("/answer", self.answer, methods=["POST"]),
            Route("/class", self.add_class, methods=["POST"]),
            Route("/done", self.end, methods=["POST"]),
        ]
        served = Starlette(routes=routes, exception_handlers={UsbExtError: _told})
        return Guard(served, token=self.token, port=self.port)

    async def enter(self, request: Request) -> Response:
        """The page."""
        text = (package_files("usb_ext.labelling") / "page" / "index.html").read_text("utf-8")
        return Response(text, media_type="text/html")

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
    return {"name": printable(row.name), "label": row.label, "unsure": row.unsure}


async def _told(request: Request, error: Exception) -> Response:
    """One of our errors, in a line."""
    return JSONResponse(
        {"error": str(error).encode("utf-8", "backslashreplace").decode()}, status_code=400
    )


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
