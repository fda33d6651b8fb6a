"""`usb-ext label`: serve the page until the person is done."""

import secrets
import socket
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from usb_ext.core.errors import SettingsError
from usb_ext.core.lock import LOCK, locked
from usb_ext.data.folder_scan import scan_folder
from usb_ext.labelling.server import Labelling
from usb_ext.labelling.table import Table, image_files, open_table

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Labelled:
    """How far a person has come.

    Attributes:
        labelled: images with a class.
        images: all that were asked for.
        classes: the names, those that were added on the page included.
    """

    labelled: int
    images: int
    classes: tuple[str, ...]


def label(
    table: Path,
    images: Path,
    classes: Sequence[str],
    *,
    port: int = 0,
    open_browser: bool = True,
    new_classes: bool = True,
    say: Callable[[str], object] = bool,
) -> Labelled:
    """Serve the page until it is done, or until Ctrl-C; every answer is on disk by then.

    Args:
        table: the CSV `id,class`.
        images: the folder that its names are relative to.
        classes: names of the classes.
        port: 0 takes a free one.
        open_browser: whether the page is opened.
        new_classes: whether the person may add classes.
        say: shows the address.

    Raises:
        DataMissing: the CSV, the folder or an image is not there.
        SettingsError: a CSV that is wrong, or a port that cannot be had.
        RunFailed: another process labels in that folder.
    """
    found = scan_folder(images, test="if there", need_classes=False)
    names = [*found.train.names, *found.test.names]
    with locked(table.parent / LOCK, "labelling"):
        asked = open_table(table, classes)
        files = image_files(asked, images, names)
        with _bound(port) as bound:
            _serve(asked, files, bound, open_browser, new_classes, say)
    return Labelled(asked.labelled, len(asked.rows), tuple(asked.classes))


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        bound.listen()
    except (OSError, OverflowError) as error:
        bound.close()
        raise SettingsError(
            f"--port {port} cannot be had ({error}); give another one, or none for any that is free"
        ) from error
    return bound


def _serve(
    asked: Table,
    files: Sequence[Path],
    bound: socket.socket,
    open_browser: bool,
    new_classes: bool,
    say: Callable[[str], object],
) -> None:
    token = secrets.token_urlsafe(24)

    def done() -> None:
        server.should_exit = True

    port = bound.getsockname()[1]
    page = Labelling(asked, files, token, port, done, asked.path.parent.name, new_classes)
    settings = uvicorn.Config(page.application(), log_level="error", timeout_graceful_shutdown=2)
    server = uvicorn.Server(settings)
    address = f"http://{HOST}:{port}/?token={token}"
    say(f"label at {address} (Ctrl-C ends; every answer is on disk)")
    if open_browser:
        webbrowser.open(address)
    try:
        server.run(sockets=[bound])
    except KeyboardInterrupt:
        pass
