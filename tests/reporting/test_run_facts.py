"""What is known of a run, and what is said where something is not."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.run import SIX, checkpoint_of, run
from support.sets import cifar, stl10
from support.toy import run_points
from support.used import SHORT, photo_run

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.reporting.pictures import thumbnail
from usb_ext.reporting.run_facts import Sources, run_facts


@pytest.fixture
def own(photo: Path, tmp_path: Path) -> Path:
    """A copy that may be changed; its pictures are the shared ones."""
    return Path(shutil.copytree(photo, tmp_path / "run"))


def said(facts: Any, start: str) -> str:
    (line,) = [line for line in facts.unknown if line.startswith(start)]
    return str(line)


def test_a_finished_run_leaves_no_question(photo: Path) -> None:
    facts = run_facts(Sources(photo))
    assert facts.unknown == () and facts.name == "run"
    assert facts.measurement is not None and facts.result is not None
    assert facts.measurement.measured.accuracy.value == facts.result.top1_last
    assert (
        facts.measurement.measured.confusion.tolist()
        == (checkpoint_of(photo.parent)["usb_ext"]["hooks"]["EvaluationHook"]["confusion"])
    )
    assert (facts.num_labelled, facts.classes) == (4, ("<dog> & co", "cat"))


def test_digits_too(tmp_path: Path) -> None:
    result = run(tmp_path, **SIX)
    facts = run_facts(Sources(tmp_path / "run", most=3, batch_size=128))
    assert result is not None and facts.measurement is not None and facts.labelled is not None
    assert facts.measurement.measured.accuracy.value == result.top1_last
    assert (len(facts.labelled.names), facts.num_labelled) == (3, 10)


def test_points_too(tmp_path: Path) -> None:
    result = run_points(tmp_path, num_train_iter=4, epoch=1, num_eval_iter=4)
    facts = run_facts(Sources(tmp_path / "run"))
    assert facts.measurement is not None
    assert facts.measurement.measured.accuracy.value == result.top1_last


def test_data_sets_of_usbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins in the formats of the real ones: CIFAR-10, and STL-10, which keeps its channels first."""
    cifar(tmp_path / "data", "cifar10", monkeypatch, per_file=20)
    stl10(tmp_path / "data", monkeypatch, per_class=2)
    for name in ("cifar10", "stl10"):
        given = {**SHORT, "dataset": name, "data_dir": str(tmp_path / "data"), "num_labels": 10}
        result = run(tmp_path / name, **given, algorithm="fixmatch", img_size=32, uratio=1)
        facts = run_facts(Sources(tmp_path / name / "run"))
        assert result is not None and facts.unknown == ()
        assert facts.measurement is not None and facts.labelled is not None
        assert facts.measurement.measured.accuracy.value == result.top1_last
        assert facts.num_labelled == 10
        assert all(thumbnail(item) for item in facts.labelled.items)


def test_images_of_ones_own(photo: Path) -> None:
    images = photo.parent / "photos" / "train"
    facts = run_facts(Sources(photo, images))
    assert facts.measurement is not None and facts.measurement.measured.accuracy.n == 12
    assert str(images) in facts.measurement.where
    with pytest.raises(SettingsError, match="no class of the run"):
        run_facts(Sources(photo, photo.parent / "photos"))


def test_an_interrupted_run(tmp_path: Path) -> None:
    run(tmp_path, stop_after=3, **SIX)
    facts = run_facts(Sources(tmp_path / "run"))
    assert "has not been completed" in said(facts, "How the run ends")
    assert facts.measurement is not None and facts.rows


def test_a_run_without_a_checkpoint(own: Path) -> None:
    for path in (*own.glob("*.pth"), own / "result.json"):
        path.unlink()
    facts = run_facts(Sources(own))
    assert "has no checkpoint" in said(facts, "What the network says of any image")
    assert facts.measurement is None and facts.result is None and facts.confusion is None
    assert facts.classes == ("0", "1") and facts.labelled is not None


def test_data_that_are_gone(tmp_path: Path) -> None:
    folder = photo_run(tmp_path)
    (tmp_path / "photos").rename(tmp_path / "moved")
    facts = run_facts(Sources(folder))
    line = said(facts, "How good the run is on images that it has not seen")
    assert "no folder" in line and "`usb-ext evaluate`" in line
    assert "no folder" in said(facts, "Which images were labelled")
    kept = checkpoint_of(tmp_path)["usb_ext"]["hooks"]["EvaluationHook"]["confusion"]
    assert facts.confusion is not None and facts.confusion.tolist() == kept
    assert facts.num_labelled == 4


def test_without_a_test_split(tmp_path: Path) -> None:
    facts = run_facts(Sources(photo_run(tmp_path, without_test=True)))
    line = said(facts, "How good the run is on images that it has not seen")
    assert "no test split" in line and "usb-ext label RUN --check 50" in line
    assert facts.measurement is None and facts.confusion is None and facts.labelled is not None


def test_files_that_have_changed_since(own: Path) -> None:
    record = json.loads((own / "result.json").read_text())
    record["top1_last"] = abs(record["top1_last"] - 1)
    del record["sha256"]  # as an older run's, which has none
    (own / "result.json").write_text(json.dumps(record))
    assert "have changed since" in said(run_facts(Sources(own)), "Why the accuracy is")


def test_bad_files_are_counted(tmp_path: Path) -> None:
    folder = photo_run(tmp_path)
    (tmp_path / "photos" / "test" / "cat" / "000.png").write_bytes(b"")
    facts = run_facts(Sources(folder))
    assert "1 of 6 images: they cannot be decoded." in facts.unknown


def test_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataMissing, match=r"holds no config\.yaml; give the folder that a run left"
    ):
        run_facts(Sources(tmp_path))
    (tmp_path / "config.yaml").write_text("lr: [")
    with pytest.raises(SettingsError, match=r"config\.yaml:"):
        run_facts(Sources(tmp_path))
