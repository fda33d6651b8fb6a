"""What a run's data were, so that no result is ever told of other data than it was made from.

Names and sizes of the files, their content where that takes well under a second, the classes in order, the
content of every file that the settings name, the modules of the user's that take part, and the versions of
the packages. `data.json` beside what was made holds it; before that is continued, used again or reported,
it is compared with the data that the settings name now.
"""

import hashlib
import importlib.util
import inspect
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from usb_ext.core.errors import SettingsError
from usb_ext.core.files import RunFolder, file_sha256, json_of, write_json
from usb_ext.core.runtime import versions
from usb_ext.data.arrays import DIGITS_SIZE, load_digits_arrays
from usb_ext.data.feature_views import KeptViews, feature_digest, feature_folder
from usb_ext.data.folder_scan import FolderScan, Listing
from usb_ext.data.sets import ADDED, Source, open_source
from usb_ext.settings import Settings
from usb_ext.settings.algorithms import BASES, EXTENSIONS
from usb_ext.settings.feature_set import FEATURES
from usb_ext.settings.plugin import PLUGIN
from usb_ext.upstream.usb_datasets import files_of

FORMAT = 1
NAME = "data.json"
MOST_HASHED = 64 * 2**20, 10_000
"""ours: bytes and files up to which contents are hashed, a fraction of a second."""
MOST_NAMED = 50_000
"""ours: files up to which each is listed; of more, each folder is."""
MOST_BYTES = 64 * 2**20
"""ours: bytes of an array that are hashed; of a larger one evenly spaced rows are."""
PLACED = ("label_file", "prior_file", "consistency_features", "influence_weights_file")
"""Settings that name a file which stages and runs make and which tells of images by their places."""

INPUTS = (*PLACED, "val_index_file", "class_list", "pretrain_path", "start_from")
"""Settings that name a file which a run reads."""

_SHOWN = 3

Marks = Mapping[str, str]
"""By name of a file (or array) its size in bytes, and the beginning of its SHA-256 where it is known."""


@dataclass(frozen=True)
class Fingerprint:
    """The data of a run.

    Attributes:
        kind: what `train` and `test` list: `images`, `files` or `arrays`; `none` where nothing is there.
        train: the training part.
        test: the rest that is read.
        classes: names in the order of their numbers, where known.
        inputs: SHA-256 of the files that settings name, by setting.
        modules: SHA-256 of the user's modules that take part, by setting.
        versions: of the packages.
    """

    kind: str
    train: Marks
    test: Marks = field(default_factory=dict)
    classes: Sequence[str] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> dict[str, Any]:
        """Every part by its name, the objects themselves: a copy of the marks of millions takes seconds."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    @property
    def sha256(self) -> str:
        """One digest of all but the versions, in 64 hexadecimal digits."""
        content = {**self.content, "versions": {}}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def training_alone(self) -> "Fingerprint":
        """The training part alone, which is what features, choices and prior pseudo-labels hang on."""
        return Fingerprint(self.kind, self.train, versions=self.versions)


def fingerprint_of(settings: Settings, source: Source) -> Fingerprint:
    """What the settings' data are now.

    Args:
        settings: of a run or a stage.
        source: what `sets.open_source` found for them.
    """
    kind, train, test, classes = _data(settings, source)
    return Fingerprint(
        kind, train, test, classes, _inputs(settings), _modules(settings), versions()
    )


def training_images(settings: Settings, source: Source | None = None) -> Fingerprint:
    """What the settings' training images are now, for stages that need no more of the data.

    Args:
        settings: of a stage.
        source: what `sets.open_source` found for them, images alone; None looks now.
    """
    found = fingerprint_of(settings, source or open_source(settings, images_alone=True))
    return found.training_alone()


def _data(settings: Settings, source: Source) -> tuple[str, Marks, Marks, tuple[str, ...]]:
    if source.scan is not None:
        scan = source.scan
        hashed = _may_be_hashed(scan.train.sizes + scan.test.sizes)
        marks = [_image_marks(scan, part, hashed) for part in (scan.train, scan.test)]
        return "images", marks[0], marks[1], scan.classes
    if settings.dataset == FEATURES:
        then = read_fingerprint(feature_folder(settings))
        if then is not None:
            return then.kind, then.train, then.test, tuple(then.classes)
    if source.arrays is not None:
        same = settings.dataset == "digits"  # one set of images, whatever size they are enlarged to
        arrays = load_digits_arrays(DIGITS_SIZE) if same else source.arrays
        train = {
            "images": _array_mark(arrays.train_images),
            "classes": _array_mark(arrays.train_targets),
        }
        test = {
            "images": _array_mark(arrays.test_images),
            "classes": _array_mark(arrays.test_targets),
        }
        return "arrays", train, test, arrays.classes
    sizes = files_of(settings.dataset, settings.data_dir)
    if settings.svhn_extra is False:
        sizes = {name: size for name, size in sizes.items() if not name.startswith("extra")}
    return "files" if sizes else "none", {n: str(size) for n, size in sizes.items()}, {}, ()


def _may_be_hashed(sizes: Sequence[int]) -> bool:
    return sum(sizes) <= MOST_HASHED[0] and len(sizes) <= MOST_HASHED[1]


def _image_marks(scan: FolderScan, files: Listing, hashed: bool) -> Marks:
    """Marks of a split's files; of very many, of its folders."""
    pairs = zip(files.names, files.sizes, strict=True)
    if not hashed and len(files.names) > MOST_NAMED:
        return _folder_marks(pairs)
    return {
        n: _mark(os.path.join(scan.root, n), size) if hashed else str(size) for n, size in pairs
    }


def _mark(path: str, size: int) -> str:
    try:
        with open(path, "rb") as file:
            return f"{size} {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    except OSError:  # reading the image will say why
        return str(size)


def _folder_marks(pairs: Iterator[tuple[str, int]]) -> Marks:
    """A mark for each folder: its files, their bytes, and a digest of their names and sizes."""
    folders: dict[str, tuple[int, int, Any]] = {}
    for name, size in pairs:
        folder = name.rpartition("/")[0] + "/"
        count, total, digest = folders.get(folder) or (0, 0, hashlib.sha256())
        digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))
        folders[folder] = count + 1, total + size, digest
    return {
        f: f"{n} files, {total} bytes {d.hexdigest()[:16]}" for f, (n, total, d) in folders.items()
    }


def _array_mark(array: Any) -> str:
    """Type, shape and digest of an array (n, ...); of a large one, of its evenly spaced rows.

    Images that are decoded when asked for have their type and shape alone.
    """
    if isinstance(array, KeptViews):
        array = array.values
    shape = tuple(array.shape)
    dtype = str(array.dtype).removeprefix("torch.")
    if not isinstance(array, np.ndarray | torch.Tensor):
        return f"{dtype} {'x'.join(map(str, shape))}"
    rows = len(array)
    one = int(np.prod(shape[1:], dtype=np.int64)) * np.dtype(dtype).itemsize
    step = max(1, -(-rows * one // MOST_BYTES))
    digest = hashlib.sha256()
    for start in range(0, rows, step):
        digest.update(np.ascontiguousarray(np.asarray(array[start])).tobytes())
    return f"{dtype} {'x'.join(map(str, shape))} {digest.hexdigest()[:16]}"


def _inputs(settings: Settings) -> dict[str, str]:
    """Digests of the files that the settings name and that are there."""
    named = {name: getattr(settings, name) for name in INPUTS}
    if not settings.use_pretrain:
        named["pretrain_path"] = None
    if settings.start_from is not None:
        named["start_from"] = str(RunFolder(Path(settings.start_from)).latest)
    there = {n: Path(p) for n, p in named.items() if p is not None and Path(p).is_file()}
    found = {name: file_sha256(path) for name, path in there.items()}
    if settings.dataset == FEATURES:
        found["feature_file"] = feature_digest(settings)
    return found


def _modules(settings: Settings) -> dict[str, str]:
    """Digests of the files of the user's plugin, network, data set, base and extensions, each file once."""
    files: dict[str, str | None] = {PLUGIN: settings.plugin}
    if ":" in settings.net:
        try:
            spec = importlib.util.find_spec(settings.net.partition(":")[0])
        except (ImportError, ValueError):  # building the network will say why
            spec = None
        files["net"] = None if spec is None else spec.origin
    if settings.dataset in ADDED:
        files["dataset"] = inspect.getsourcefile(inspect.unwrap(ADDED[settings.dataset]))
    if (base := BASES.get(settings.active_base or settings.algorithm)) is not None:
        files[f"base {base.name}"] = base.source
    for name in settings.active_extensions:
        files[f"extension {name}"] = EXTENSIONS[name].source
    there = {Path(f).resolve(): n for n, f in reversed(files.items()) if f and Path(f).is_file()}
    return {name: file_sha256(path) for path, name in reversed(there.items())}


def write_fingerprint(folder: Path, found: Fingerprint) -> None:
    """Write `data.json`."""
    write_json(folder / NAME, {"format": FORMAT, **found.content})


def read_fingerprint(folder: Path) -> Fingerprint | None:
    """The fingerprint in a folder; None where there is none that can be read (an older version's)."""
    try:
        content = json_of(folder / NAME)
        if content.pop("format") != FORMAT:
            return None
        found = Fingerprint(**content)
        _check_kinds(found)
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _check_kinds(found: Fingerprint) -> None:
    """Refuse a fingerprint whose parts are of another kind than was written.

    Raises:
        TypeError: naming the part.
    """
    for part in fields(found):
        value = getattr(found, part.name)
        texts: Iterable[Any] = value.values() if isinstance(value, dict) else value
        wanted = {"kind": str, "classes": list}.get(part.name, dict)
        if not isinstance(value, wanted) or not all(isinstance(t, str) for t in texts):
            raise TypeError(f"{part.name} is {value!r}")


def differences(then: Fingerprint, now: Fingerprint) -> list[str]:
    """What differs, in words, such as "3 images added (train/a/1.png, ...)"; empty where nothing does.

    Args:
        then: of what was made.
        now: of the data that the settings name.
    """
    if "none" in (then.kind, now.kind):  # not downloaded yet
        return []
    if then.kind != now.kind:
        return [f"the data were {then.kind} and are {now.kind}"]
    found: list[str] = []
    for part, old, new in (("", then.train, now.train), ("test ", then.test, now.test)):
        found += _of_marks(part + now.kind, old, new)
    if then.classes and now.classes and list(then.classes) != list(now.classes):
        found.append(f"classes: {_listed(then.classes)} then, {_listed(now.classes)} now")
    for kind in ("inputs", "modules"):
        old, new = getattr(then, kind), getattr(now, kind)
        found += [
            f"{name} has another content ({old[name][:8]} then, {new[name][:8]} now)"
            for name in old
            if name in new and old[name] != new[name]
        ]
    return found


def _of_marks(what: str, old: Marks, new: Marks) -> Iterator[str]:
    changed = [name for name in new if name in old and not _same(old[name], new[name])]
    parts = {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "of another content": changed,
    }
    for how, names in parts.items():
        if names:
            yield f"{len(names)} {what} {how} ({_listed(names)})"


def _same(old: str, new: str) -> bool:
    """Whether two marks agree, as far as both go."""
    return all(a == b for a, b in zip(old.split(), new.split(), strict=False))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")


def printable(name: str) -> str:
    r"""A file name as it can be written down: bytes that are no UTF-8 as `\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def other_versions(then: Fingerprint, now: Fingerprint) -> str:
    """Packages whose version differs, such as "torch 2.13 then, 2.14 now"; empty for none."""
    both = [n for n in now.versions if n in then.versions and then.versions[n] != now.versions[n]]
    return "; ".join(f"{n} {then.versions[n]} then, {now.versions[n]} now" for n in both)


def refuse_other_data(folder: Path, now: Fingerprint, what: str, remedy: str) -> Fingerprint | None:
    """Refuse to go on with something that was made from other data.

    Args:
        folder: where its `data.json` lies.
        now: the data that the settings name.
        what: what was made, for the message.
        remedy: what to do about it.

    Returns:
        What it was made from; None where that was not recorded.

    Raises:
        SettingsError: what differs, and the remedy.
    """
    then = read_fingerprint(folder)
    if then is not None and (found := differences(then, now)):
        raise SettingsError(f"{what} is of other data: {'; '.join(found)}; {remedy}")
    return then


def refuse_inputs_of_other_data(settings: Settings, now: Fingerprint) -> None:
    """Refuse files of our stages that were made from other training images than the run's.

    Lists of positions and arrays go by the images' places; a CSV names its images itself.

    Args:
        settings: of the run.
        now: its data.

    Raises:
        SettingsError: the setting, its file, and what differs.
    """
    for name in PLACED:
        given = getattr(settings, name)
        if given is not None and not str(given).lower().endswith(".csv"):
            refuse_file_of_other_data(Path(given), now, name)


def refuse_file_of_other_data(path: Path, now: Fingerprint, name: str) -> None:
    """Refuse one file that a stage or a run has made, where `data.json` beside it tells of other images.

    Args:
        path: the file.
        now: the data that it is to be used with.
        name: the setting or flag that names it.

    Raises:
        SettingsError: what differs.
    """
    then = read_fingerprint(path.parent)
    if then is None:
        return
    if found := differences(then.training_alone(), now.training_alone()):
        raise SettingsError(
            f"{name} is {path}, which was made from other images: {'; '.join(found)}; make it again from "
            "these, or name the data that it was made from with --data_dir"
        )
