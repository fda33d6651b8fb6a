"""`usb-ext study`: names, what is refused, and every study of AS3L on digits at toy size, twice."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.run import TINY as TINY_RUN
from support.run import undrawn
from support.ssl import TINY as TINY_SSL

from usb_ext.cli.main import main
from usb_ext.core.errors import SettingsError
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.papers.studies import STUDIES, study_named

FLEXMATCH: dict[str, Any] = {
    **TINY_RUN, **TINY_SSL, "algorithm": "as3l", "label_split": "file", "label_file": "auto",
    "prior_file": "auto", "use_pretrain": True, "pretrain_path": "auto", "num_train_iter": 2,
    "num_eval_iter": 1, "augment": "batched", "ssl_epochs": 0, "consistency_k": 5,
}  # fmt: skip


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command, on features that say the class unless told otherwise: exit code, output, errors."""
    targets = load_digits_arrays(16).train_targets
    rng = np.random.default_rng(0)
    values = np.eye(10)[targets] + rng.normal(scale=0.05, size=(len(targets), 10))
    np.savez(tmp_path / "features.npz", features=values.astype(np.float32))
    small = {
        "dataset": "digits", "num_classes": 10, "img_size": 16, "as3l_tune_epochs": 1,
        "as3l_runs": 2, "features": tmp_path / "features.npz", "save_dir": tmp_path,
    }  # fmt: skip

    def run(*words: str, settings: dict[str, Any] | None = None) -> tuple[int, str, str]:
        given = small if settings is None else {**settings, "save_dir": tmp_path}
        flags = [w for k, v in given.items() for w in (f"--{k}", str(v))]
        with undrawn():
            code = main(["study", *words, *flags])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"study_{name}" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def pictures(folder: Path, name: str) -> None:
    with Image.open(folder / f"study_{name}" / f"{name}.png") as picture:
        assert min(picture.size) > 200
    assert (folder / f"study_{name}" / f"{name}.md").read_text().startswith(f"**{name}: ")


@pytest.mark.parametrize(
    ("name", "arms"),
    [("as3l-6", 4), ("as3l-9", 3), ("as3l-fig7", 6)],
)
def test_a_study_of_prior_labels_is_made_once(
    call: Any, tmp_path: Path, name: str, arms: int
) -> None:
    code, out, err = call(name, "--budgets", "10", "--seeds", "0")
    assert code == 0, err
    rows = rows_of(tmp_path, name)
    assert len(rows) == arms == len({row["arm"] for row in rows})
    for row in rows:
        if not row["arm"].startswith(("K-medoids", "C = 1")):
            # well separated classes, one image of each: nearly all is right
            assert float(row["accuracy"]) > 90 and int(row["coverage"]) == 10, row
        assert 0 <= float(row["ece"]) <= 1
    pictures(tmp_path, name)
    made = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("prior.npz")}
    assert len(made) == arms
    choices = len(list(tmp_path.rglob("selected.json")))
    assert choices == (1 if name == "as3l-9" else arms)
    if name != "as3l-9":
        return  # once is enough
    code, again, _ = call(name, "--budgets", "10", "--seeds", "0")
    assert code == 0 and again.splitlines()[-arms - 3 :] == out.splitlines()[-arms - 3 :]
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("prior.npz")} == made


def test_methods_are_pre_trained_apart_and_features_of_ones_own_join(
    call: Any, tmp_path: Path
) -> None:
    own = f"CLIP={tmp_path / 'features.npz'}"
    given = {**FLEXMATCH, "ssl_epochs": 1, "as3l_tune_epochs": 0, "as3l_runs": 2}
    code, out, err = call(
        "as3l-10", "--budgets", "10", "--seeds", "0", "--with", own, settings=given
    )
    assert code == 0, err
    rows = rows_of(tmp_path, "as3l-10")
    assert [row["arm"] for row in rows] == ["SimSiam", "SimCLR", "BYOL", "CLIP"]
    assert float(rows[3]["accuracy"]) > 95 > float(rows[0]["accuracy"])
    made = sorted(p.parent.name for p in tmp_path.rglob("backbone.pth"))
    assert made == ["ssl_byol", "ssl_simclr", "ssl_simsiam"]


def test_neighbours_in_trained_features_from_the_pre_trained_ones_on(
    call: Any, tmp_path: Path
) -> None:
    words = ("fig2", "--budgets", "10", "20", "--seeds", "1")
    code, out, err = call(*words, settings=FLEXMATCH)
    assert code == 0, err
    rows = rows_of(tmp_path, "as3l-fig2")
    assert [(r["num_labels"], r["it"]) for r in rows] == [
        (n, it) for n in ("10", "20") for it in "012"
    ]
    assert rows[0]["consistency"] == rows[3]["consistency"]  # the same weights, before any step
    assert all(0 < float(row["consistency"]) < 1 for row in rows)
    pictures(tmp_path, "as3l-fig2")
    code, again, _ = call(*words, settings=FLEXMATCH)
    assert code == 0 and again.count("trained before") == 2


def test_the_dominant_class_by_distance(call: Any, tmp_path: Path) -> None:
    code, out, err = call("as3l-fig8", "--seeds", "0", "1")
    assert code == 0, err
    rows = rows_of(tmp_path, "as3l-fig8")
    assert [(r["seed"], r["bin"]) for r in rows] == [
        (s, str(b)) for s in "01" for b in range(1, 11)
    ]
    assert float(rows[0]["share"]) > 0.9
    pictures(tmp_path, "as3l-fig8")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("as3l-99",), 2, "'as3l-99' is no study; known: as3l-6, as3l-9"),
        (("--seeds", "0"), 2, "study needs a name before its flags"),
        (("as3l-6", "--budgets", "0"), 2, "--budgets holds 0"),
        (("as3l-6", "--with", "A=b.npz"), 2, "as3l-10 does"),
        (("as3l-10", "--with", "b.npz"), 2, "write NAME=FILE"),
        (("as3l-10", "--with", "A=b.npz"), 3, "--with A=b.npz: there is no such file"),
        (("fig2",), 2, "use_pretrain is False"),
        (("as3l-9", "--nett", "x"), 2, "nett"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(call: Any, words: tuple[str, ...], code: int, said: str) -> None:
    found, _, err = call(*words)
    assert found == code and said in err and len(err.strip().splitlines()) == 1


def test_every_study_is_found_by_its_name_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert [study_named(name) for name in STUDIES] == list(STUDIES)
    assert [study_named(n) for n in ("fig2", "fig7", "fig8")] == [
        "as3l-fig2",
        "as3l-fig7",
        "as3l-fig8",
    ]
    with pytest.raises(SettingsError, match="is no study"):
        study_named("fig")
    assert main(["study", "--help"]) == 0
    assert all(name in capsys.readouterr().out for name in ["as3l-6"])
