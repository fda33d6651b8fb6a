"""Answers from and to Label Studio: its JSON of tasks with one choice an image.

A task has `data`, whose one value is the image's address, and `annotations`, whose `result` holds entries of
type `choices`; exported tasks of the short form have `image` and `choice` instead.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from usb_ext.core.errors import DataMissing, SettingsError, reason
from usb_ext.core.files import json_of, write_text

FROM, TO = "choice", "image"
"""Names of the control and of the object in a labelling configuration of an image's class."""


def read_tasks(path: Path) -> dict[str, str]:
    """The class of each image that has one; of several annotations the newest that was not cancelled.

    Args:
        path: an export of Label Studio, "JSON" or "JSON-MIN".

    Returns:
        Class by file name, without the folder that uploads get.

    Raises:
        DataMissing: no such file.
        SettingsError: no such export, or a task with several choices.
    """
    try:
        content = json_of(path)
    except OSError as error:
        raise DataMissing(f"cannot read {path}: {reason(error)}") from error
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, list) or not all(isinstance(task, dict) for task in content):
        raise SettingsError(f"{path} is no list of tasks; export as JSON in Label Studio")
    found: dict[str, str] = {}
    for number, task in enumerate(content, start=1):
        choices = _choices(task)
        if len(choices) > 1:
            raise SettingsError(
                f"{path}, task {number} has {len(choices)} choices; an image has one class here"
            )
        if choices:
            found[_image(path, number, task)] = choices[0]
    return found


def _choices(task: Mapping[str, Any]) -> Sequence[str]:
    if isinstance(task.get("choice"), str):
        return [task["choice"]]
    for annotation in reversed(task.get("annotations") or ()):
        if annotation.get("was_cancelled"):
            continue
        for entry in annotation.get("result") or ():
            choices = (entry.get("value") or {}).get("choices")
            if entry.get("type") == "choices" and isinstance(choices, list):
                return [str(choice) for choice in choices]
    return []


def _image(path: Path, number: int, task: Mapping[str, Any]) -> str:
    data = task.get("data")
    values = [task.get("image")] if data is None else list(dict(data).values())
    named = [value for value in values if isinstance(value, str)]
    if len(named) != 1:
        raise SettingsError(f"{path}, task {number} names no image, or several")
    parts = urlsplit(named[0])
    local = parse_qs(parts.query, errors="surrogateescape").get("d", [""])[
        0
    ]  # /data/local-files/?d=folder/name
    return local or unquote(parts.path, errors="surrogateescape").lstrip("/")


def write_tasks(path: Path, answers: Mapping[str, str]) -> None:
    """Write tasks that Label Studio imports, with an annotation for each image that has a class.

    Args:
        path: the file.
        answers: class by file name; "" for none.
    """
    tasks = []
    for name, label in answers.items():
        result = {
            "from_name": FROM,
            "to_name": TO,
            "type": "choices",
            "value": {"choices": [label]},
        }
        annotations = [{"result": [result]}] if label else []
        address = f"/data/local-files/?d={quote(os.fsencode(name))}"
        tasks.append({"data": {"image": address}, "annotations": annotations})
    write_text(path, f"{json.dumps(tasks, ensure_ascii=False, indent=1)}\n")
