"""Answers from and to other programs: a label CSV, or Label Studio's JSON, by the file's ending."""

from pathlib import Path

from usb_ext.core.errors import SettingsError, quoted
from usb_ext.core.outputs import check_outputs
from usb_ext.data.image_names import NameIndex, normal_name
from usb_ext.data.label_csv import label_rows, write_labels
from usb_ext.labelling.label_studio import read_tasks, write_tasks
from usb_ext.labelling.table import Table


def take_answers(table: Table, path: Path) -> int:
    """Take the answers that a file has, all or none, and write them down.

    Args:
        table: what is asked for.
        path: `.csv` (name,class) or Label Studio's JSON.

    Returns:
        How many they are.

    Raises:
        DataMissing: no such file.
        SettingsError: not such a file, an image that is not asked for, one with two answers, or, where the
            classes are named, an answer that is none of them.
    """
    index = NameIndex([row.name for row in table.rows])
    answers: dict[int, str] = {}
    known = {normal_name(name) for name in table.classes}
    for name, label in _read(path):
        if known and normal_name(label.strip()) not in known:
            raise SettingsError(
                f"{path} says {quoted(label)} for {quoted(name)}, which is none of "
                f"{', '.join(table.classes)}; mend it, or name it with --classes"
            )
        try:
            number = index.find(name)
        except LookupError as error:
            raise SettingsError(f"{path}: {error.args[0]} in {table.path}") from error
        if answers.setdefault(number, label) != label:
            raise SettingsError(
                f"{path} has {answers[number]!r} and {label!r} for {table.rows[number].name}; leave one"
            )
    table.take(answers)
    return len(answers)


def give_answers(table: Table, path: Path) -> None:
    """Write the answers to a new file, images without one too.

    Args:
        table: what is asked for.
        path: as in `take_answers`.

    Raises:
        SettingsError: the file is there.
    """
    if path.exists():
        raise SettingsError(f"--export is {path}, which is there; name a new file")
    check_outputs(path.parent, [path.name], "--export")
    if _is_csv(path):
        write_labels(path, ((row.name, row.label) for row in table.rows))
    else:
        write_tasks(path, {row.name: row.label for row in table.rows})


def _read(path: Path) -> list[tuple[str, str]]:
    if _is_csv(path):
        return [(row.file_name, row.class_name) for row in label_rows(path) if row.has_label]
    return list(read_tasks(path).items())


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"
