"""`report.html`: whole, of itself alone, refused where it may not be written."""

from dataclasses import replace
from pathlib import Path

import pytest

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.reporting.stage import ReportOrder, write_report


@pytest.fixture
def order(photo: Path, tmp_path: Path) -> ReportOrder:
    return ReportOrder(photo, tmp_path / "report.html", most=3)


def test_the_page_of_a_run(order: ReportOrder) -> None:
    (line,) = write_report(order)
    text = order.out.read_text(encoding="utf-8")
    assert line.endswith("Run run") and "&lt;dog&gt; &amp; co" in text and "<dog>" not in text
    for title in (
        "What was asked", "Curves", "Confusion", "Classes", "Calibration", "Most surely wrong",
        "Least sure", "Labels", "Settings", "Versions",
    ):  # fmt: skip
        assert f">{title}<" in text, title
    assert text.count('<img src="data:image/') == text.count("<img ") >= 2 + 3 + 3


def test_the_same_run_gives_the_same_page(order: ReportOrder, tmp_path: Path) -> None:
    write_report(order)
    write_report(replace(order, out=tmp_path / "b.html"))
    assert order.out.read_bytes() == (tmp_path / "b.html").read_bytes()


def test_what_is_not_known_is_shown(order: ReportOrder, photo: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "config.yaml").write_bytes((photo / "config.yaml").read_bytes())
    lines = write_report(replace(order, place=begun))
    assert any(line.startswith("not known: What the network says") for line in lines)
    assert "Not known:" in order.out.read_text()


def test_refused(order: ReportOrder, tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="does not exist; give the folder that a run left"):
        write_report(replace(order, place=Path("nowhere")))
    (tmp_path / "compare.json").write_text("{}")
    with pytest.raises(SettingsError, match="--images is for the report of a run"):
        write_report(replace(order, place=tmp_path, images=tmp_path))
    with pytest.raises(DataMissing, match="is no comparison"):
        write_report(replace(order, place=tmp_path / "compare.json"))
    order.out.write_text("mine")
    with pytest.raises(SettingsError, match="exists already"):
        write_report(order)
    with pytest.raises(SettingsError, match="did not write"):
        write_report(replace(order, overwrite=True))
    assert order.out.read_text() == "mine"
