"""Errors in Python's words: every flag of a message becomes the keyword that it is."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import usb_ext
from usb_ext.core.errors import Interrupted, SettingsError
from usb_ext.settings.keywords import as_keywords, in_keywords
from usb_ext.settings.model import Settings


@pytest.mark.parametrize(
    ("flags", "keywords"),
    [
        ("name the data with --data_dir", "name the data with data_dir="),
        ("use --num_classes 4", "use num_classes=4"),
        (
            "continue it with --resume, replace it with --overwrite, or choose another --save_name",
            "continue it with resume=True, replace it with overwrite=True, or choose another save_name=",
        ),
        ("from scratch with --use_pretrain false", "from scratch with use_pretrain=False"),
        ("needs --yes true", "needs yes=True"),
        ("use --amp bf16 or --amp off", "use amp='bf16' or amp='off'"),
        ("use --device auto", "use device='auto'"),
        ("try a smaller --lr", "try a smaller lr="),
        ("lower --batch_size, or free memory", "lower batch_size=, or free memory"),
        ("another --save_name for a run of its own", "another save_name= for a run of its own"),
        ("use --num_workers 0, or free memory", "use num_workers=0, or free memory"),
        ("elsewhere (--save_dir, --out)", "elsewhere (save_dir=, out=)"),
        ("--seeds has 3 values and --label-seeds 2", "seeds= has 3 values and label_seeds=2"),
        ("leave --c, seeds and --num-labels out", "leave settings=, seeds and num_labels= out"),
        ("--from: x is no run folder", "runs=: x is no run folder"),
        ("--allow-mixed averages them", "allow_mixed=True averages them"),
        ("whole: --resume --load_path runs/a/b.pth", "whole: resume=True load_path='runs/a/b.pth'"),
        ("needs --out DIR, where", "needs out=DIR, where"),
        ("use --bn_statistics fresh, or", "use bn_statistics='fresh', or"),
        ("give `usb-ext train --c FILE --resume` again", "give `usb-ext train --c FILE --resume` again"),
        ("see `usb-ext settings WORD`, or train --help-all for all",) * 2,
        ("a dash -- or two, and a-b--c",) * 2,
        ("lr: got -1 (int), allowed: a finite number above 0",) * 2,
    ],
)  # fmt: skip
def test_a_flag_becomes_a_keyword(flags: str, keywords: str) -> None:
    assert as_keywords(flags) == keywords
    assert as_keywords(keywords) == keywords


def test_the_error_stays_the_one_it_was() -> None:
    @in_keywords
    def fails(error: BaseException) -> None:
        raise error

    for error in (SettingsError("use --lr 3"), Interrupted("go on with --resume", 15)):
        with pytest.raises(type(error)) as caught:
            fails(error)
        assert caught.value is error and "--" not in str(error)
    assert error.exit_code == 143
    other = ValueError("--lr")
    with pytest.raises(ValueError, match="--lr"):
        fails(other)


def messages() -> list[str]:
    """Every piece of text in the package that is raised or told with a flag in it, docstrings apart."""
    found = set()
    for path in sorted(Path(usb_ext.__file__).parent.rglob("*.py")):
        if "cli" in path.parts or path.name in ("flags.py", "repository.py", "keywords.py"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        raised = [
            node for node in ast.walk(tree) if isinstance(node, ast.Raise | ast.Return | ast.Assign)
        ]
        for node in (inner for one in raised for inner in ast.walk(one)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return sorted(text for text in found if re.search(r"(?<![\w-])--\w", text) and " " in text)


def test_no_flag_is_left_in_any_message_of_the_package() -> None:
    """Whole commands between backquotes apart, which stay commands."""
    texts = messages()
    assert len(texts) > 60
    for text in texts:
        rest = re.sub(r"`(?:usb-ext|python|pip) [^`]*(?:`|$)", "", as_keywords(text))
        rest = rest.replace("--help-all", "")
        assert not re.search(r"(?<![\w-])--[A-Za-z]", rest), text


CALLS: dict[str, Callable[[Path], Any]] = {
    "exists": lambda at: usb_ext.train("layermatch_digits_10", save_dir=str(at), save_name="there"),
    "classes": lambda at: usb_ext.train(
        "layermatch_digits_10", num_classes=4, num_labels=8, save_dir=str(at)
    ),
    "weights": lambda at: usb_ext.train("layermatch_digits_10", pretrain_path="no.pth", save_dir=str(at)),
    "checkpoint": lambda at: usb_ext.load_settings({}, {"load_path": "no.pth"}),
    "auto": lambda at: usb_ext.train("layermatch_digits_10", prior_file="auto", extensions=["prior_label"]),
    "precision": lambda at: usb_ext.train("layermatch_digits_10", amp="fp16", device="cpu", save_dir=str(at)),
    "folds": lambda at: usb_ext.compare("layermatch_digits_10", methods=["fixmatch"], seeds=[0, 0], out=at),
    "pairs": lambda at: usb_ext.compare(
        "layermatch_digits_10", methods=["fixmatch"], seeds=[0, 1], label_seeds=[0, 1, 2], out=at
    ),
    "names": lambda at: usb_ext.compare(methods=["a=fixmatch", "a=uda"], out=at),
    "counts": lambda at: usb_ext.compare(
        "layermatch_digits_10", methods=["fixmatch"], num_labels=[20, 20], out=at
    ),
    "jobs": lambda at: usb_ext.compare("layermatch_digits_10", methods=["fixmatch"], jobs=0, out=at),
    "target": lambda at: usb_ext.compare("layermatch_digits_10", methods=["fixmatch"], time_to=2, out=at),
    "table": lambda at: usb_ext.compare(paper="layermatch-99", out=at),
    "cell": lambda at: usb_ext.compare(paper="layermatch-1", out=at),
    "out": lambda at: usb_ext.compare(runs=[str(at / "there")]),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CALLS))
def test_calls_are_refused_in_pythons_words(name: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "config.yaml").write_text("algorithm: fixmatch\n")
    with pytest.raises(usb_ext.UsbExtError) as caught:
        CALLS[name](tmp_path)
    text = re.sub(r"`usb-ext [^`]*`", "", str(caught.value))
    assert "--" not in text and "\n" not in text, text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["there"]


def test_every_setting_is_told_as_its_keyword() -> None:
    for name in Settings.model_fields:
        assert as_keywords(f"use another --{name}, or none").startswith(f"use another {name}=")
