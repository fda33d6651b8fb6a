"""What a run says before its first step."""

from pathlib import Path

import pytest
from support.run import run


def said(folder: Path) -> dict[str, str]:
    """The last of each line of `log.txt` by its first word."""
    lines = [
        line.split(maxsplit=3)[3]
        for line in (folder / "run" / "log.txt").read_text().splitlines()
        if len(line.split(maxsplit=3)) > 3
    ]
    return {line.split()[0]: line for line in lines}


def test_method_data_network_device_and_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"algorithm": "fixmatch", "extensions": ["grad_relu"], "num_train_iter": 4}
    result = run(tmp_path, progress="lines", **given)
    assert result is not None
    shown = capsys.readouterr().err
    found = said(tmp_path)
    assert found["method"] == (
        "method   fixmatch + grad_relu, 4 steps of 4 labelled and 8 unlabelled examples"
    )
    total = sum(result.unlabelled["counts"]) if "counts" in result.unlabelled else 0
    assert f"10 labelled, {total:,} unlabelled" in found["data"] or not total
    assert "10 labelled" in found["data"] and "10 classes (0, 1, 2" in found["data"]
    millions = f"{result.params / 1e6:.3g} million parameters, weights by chance"
    assert found["network"] == f"network  wrn_10_1, {millions}"
    assert result.device in found["device"]
    assert found["folder"].endswith(str(tmp_path / "run"))
    assert all(line in shown for line in found.values() if line.startswith(("method", "folder")))
    assert shown.index("method ") < shown.index("step 1/4") and " it/s  00:0" in shown


def test_where_weights_come_from(tmp_path: Path) -> None:
    given = {"algorithm": "fixmatch", "num_train_iter": 4}
    run(tmp_path, stop_after=2, **given)
    run(tmp_path, resume=True, **given)
    assert "weights of this run after 2 steps" in said(tmp_path)["network"]
    run(tmp_path / "next", start_from=str(tmp_path / "run"), **given)
    assert f"weights from {tmp_path / 'run'} after 4 steps" in said(tmp_path / "next")["network"]
