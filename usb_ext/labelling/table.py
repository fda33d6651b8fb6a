"""The answers of a person: a CSV `id,class`, on disk before the next image is shown.

The file keeps its order, delimiter and line ends, and every column that is not ours.
Each answer rewrites the file whole, flushed to disk, so that whatever ends the process loses none. Several
tabs share one table: an answer says which state it has seen, and one that would replace what it has not seen
is sent back with it.
"""

import codecs
import csv
import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from usb_ext.core.errors import DataMissing, RunFailed, SettingsError, quoted
from usb_ext.core.files import write_text
from usb_ext.data.image_names import NameIndex, normal_name
from usb_ext.data.label_csv import cells_of, csv_rows, delimiter_of, has_label, label_text

HEADER = ("id", "class")
UNSURE = "unsure.txt"
"""Beside the CSV: names of images whose answer the person is not sure of, one a line."""

CLASSES = "classes.txt"
"""Beside the CSV: the names of the classes, one a line, where some were added on the page."""


class Stale(Exception):
    """An answer to an image that has got another one since; that one stays."""


@dataclass
class Row:
    """One image.

    Attributes:
        name: as in the CSV.
        label: its class; "" for none yet.
        unsure: whether the person marked it so.
        changed: number of the answer that it has from; 0 for what was there before.
        line: its place among the lines of the CSV, counted from 0.
    """

    name: str
    label: str = ""
    unsure: bool = False
    changed: int = 0
    line: int = 0


@dataclass
class Form:
    """How a CSV was written.

    Attributes:
        lines: cells of every line, header and blank ones too.
        delimiter: between cells.
        end: of a line.
        mark: the byte order mark, or "".
        text_read: what stands in the file, without that mark.
    """

    lines: list[list[str]]
    delimiter: str
    end: str
    mark: str
    text_read: str

    def text(self) -> str:
        """What is to stand in the file, without the mark."""
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter=self.delimiter, lineterminator=self.end)
        writer.writerows(self.lines)
        return stream.getvalue()


@dataclass
class Table:
    """All images that are asked for.

    Attributes:
        path: the CSV.
        rows: in its order.
        classes: names, in the order of their keys.
        form: of the CSV.
        version: number of answers so far.
    """

    path: Path
    rows: list[Row]
    classes: list[str]
    form: Form
    version: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def labelled(self) -> int:
        """Images that have a class."""
        return sum(bool(row.label) for row in self.rows)

    def answer(self, number: int, label: str, unsure: bool, seen: int) -> None:
        """Take an answer and write it down.

        Args:
            number: which row.
            label: a class, or "" to take the answer back.
            unsure: the person's mark.
            seen: the version that the person has seen.

        Raises:
            Stale: the row has changed since, to something else.
            SettingsError: no such row or class.
            RunFailed: it cannot be written, or another program changed it; the answer is not taken.
        """
        with self._lock:
            if not 0 <= number < len(self.rows):
                raise SettingsError(f"there is no image {number}; there are {len(self.rows)}")
            if label and normal_name(label) not in map(normal_name, self.classes):
                raise SettingsError(f"{quoted(label)} is none of {', '.join(self.classes)}")
            row = self.rows[number]
            if row.changed > seen and (row.label, row.unsure) != (label, unsure):
                raise Stale
            if label_text(self.path) != self.form.text_read:
                raise RunFailed(
                    f"{self.path} was changed by another program; end this page and start it again"
                )
            before = (row.label, row.unsure, row.changed)
            row.label, row.unsure, row.changed = label, unsure, self.version + 1
            try:
                self._write()
            except BaseException:
                row.label, row.unsure, row.changed = before
                raise
            self.version += 1

    def add_class(self, name: str) -> None:
        """Add a class at the end and write it down; one that is there stays as it is.

        Raises:
            SettingsError: an empty name, or one that stands for "no class".
        """
        name = name.strip()
        if not has_label(name) or not name.isprintable():
            raise SettingsError(f"{quoted(name)} cannot name a class; write another word")
        with self._lock:
            if normal_name(name) not in map(normal_name, self.classes):
                self.classes.append(name)
                self.version += 1
                lines = "".join(f"{name}\n" for name in self.classes)
                write_text(self.path.with_name(CLASSES), lines)

    def _write(self) -> None:
        for row in self.rows:
            cells = self.form.lines[row.line]
            if row.label or (len(cells) > 1 and has_label(cells[1].strip())):
                cells[1:2] = [row.label]
        text = self.form.text()
        write_text(self.path, self.form.mark + text)
        self.form.text_read = text
        unsure = self.path.with_name(UNSURE)
        marked = "".join(f"{row.name}\n" for row in self.rows if row.unsure)
        if marked or unsure.exists():
            write_text(unsure, marked)


def open_table(path: Path, classes: Sequence[str]) -> Table:
    """Read what is asked for and answered so far.

    Args:
        path: the CSV.
        classes: names; those that answers or `classes.txt` mention come after them.

    Raises:
        DataMissing: no such file.
        SettingsError: no CSV of two columns, an image twice, or none.
    """
    rows: dict[str, Row] = {}
    found = csv_rows(path)
    form = _form(path)
    lines = {line: at for at, (line, _) in enumerate(cells_of(path, label_text(path)))}
    for line, cells in found:
        if len(cells) > 2 or not cells[0]:
            raise SettingsError(f"{path}, line {line}: {quoted(cells)} is not an id and a class")
        if cells[0] in rows:
            raise SettingsError(f"{path}, line {line}: {quoted(cells[0])} stands there already")
        label = cells[1] if len(cells) > 1 and has_label(cells[1]) else ""
        rows[cells[0]] = Row(cells[0], label, line=lines[line])
    if not rows:
        raise SettingsError(f"{path} names no image; `usb-ext select` writes such a file")
    for name in _lines(path.with_name(UNSURE)):
        if name in rows:
            rows[name].unsure = True
    known: dict[str, str] = {}
    for name in (*classes, *_lines(path.with_name(CLASSES)), *(r.label for r in rows.values())):
        if name:
            known.setdefault(normal_name(name), name)
    return Table(path, list(rows.values()), list(known.values()), form)


def new_table(path: Path, names: Sequence[str]) -> None:
    """Write a CSV in which nothing is answered.

    Args:
        path: the file; it must not be there.
        names: of the images.

    Raises:
        SettingsError: it is there.
    """
    if path.exists():
        raise SettingsError(f"{path} is there; label it with `usb-ext label {path}`")
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([HEADER, *((name, "") for name in names)])
    write_text(path, stream.getvalue())


def check_names(names: Sequence[str], count: int, seed: int, labelled: Sequence[str]) -> list[str]:
    """Images to measure a model on: drawn at random, each set of so many equally likely.

    Nothing that a model or a choice of images says enters, so that a share of right answers on them is an
    estimate for all images that are not labelled.

    Args:
        names: of all images.
        count: how many to draw.
        seed: of the draw.
        labelled: names, or their endings, of those that a model was trained on; none of them is drawn.

    Raises:
        SettingsError: fewer are left, or a labelled one is not among the names.
    """
    index = NameIndex(names)
    try:
        taken = {index.find(name) for name in labelled}
    except LookupError as error:
        raise SettingsError(f"--except: {error.args[0]}") from error
    free = [name for number, name in enumerate(names) if number not in taken]
    if not 1 <= count <= len(free):
        raise SettingsError(
            f"--check is {count}; use 1 to {len(free)}, the images that are not labelled"
        )
    chosen = np.random.default_rng(seed).choice(len(free), size=count, replace=False)
    return [free[number] for number in chosen]


def image_files(table: Table, folder: Path, found: Sequence[str]) -> list[Path]:
    """The file of each row.

    Args:
        table: whose rows.
        folder: the images.
        found: names of all images below it, relative to it.

    Raises:
        DataMissing: a row whose image is not there, or of which there are several.
    """
    index = NameIndex(found)
    files = []
    for row in table.rows:
        try:
            files.append(folder / found[index.find(row.name)])
        except LookupError as error:
            raise DataMissing(f"{table.path}: {error.args[0]} in {folder}") from error
    return files


def _form(path: Path) -> Form:
    content, text = path.read_bytes(), label_text(path)
    lines = [cells for _, cells in cells_of(path, text)]
    mark = "\ufeff" if content.startswith(codecs.BOM_UTF8) else ""
    return Form(lines, delimiter_of(text), "\r\n" if b"\r\n" in content else "\n", mark, text)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    return [line for line in text.split("\n") if line.strip()]
