"""The t-SNE picture: which points are drawn, what is refused, and that a PNG comes out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from usb_ext.as3l.tsne import TsneOrder, _rows, _subset, tsne
from usb_ext.cli.main import main
from usb_ext.core.errors import SettingsError
from usb_ext.data.features import Features, write_features
from usb_ext.data.label_files import Selected, write_selected
from usb_ext.data.prior_file import Prior, write_prior

N = 40


def files(folder: Path) -> tuple[Path, Path, Path]:
    rng = np.random.default_rng(0)
    targets = np.arange(N) % 4
    values = (np.eye(4)[targets] * 3 + rng.normal(size=(N, 4))).astype(np.float32)
    ids = np.arange(N)[::-1].copy() * 2
    write_features(folder / "features.npz", Features(values, ids, targets.astype(np.int64)))
    write_selected(folder / "selected.json", Selected([0, 10, 78], [0, 1, 2]))
    prior = np.eye(4, dtype=np.float32)[targets]
    prior[5] = 0
    write_prior(folder / "prior.npz", Prior(prior, ids, ("a", "b", "c", "d")))
    return folder / "features.npz", folder / "selected.json", folder / "prior.npz"


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        return image.size


def test_the_command_draws_one_panel_and_with_a_prior_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features, selected, prior = files(tmp_path)
    one, two = tmp_path / "new" / "one.png", tmp_path / "two.png"
    words = ["tsne", "--features", str(features), "--perplexity", "5"]
    assert main([*words, "--out", str(one)]) == 0
    assert "40 of 40 images drawn" in capsys.readouterr().out
    more = ["--selected", str(selected), "--prior", str(prior), "--most", "20"]
    assert main([*words, *more, "--out", str(two)]) == 0
    assert "20 of 40 images drawn" in capsys.readouterr().out
    assert size_of(two)[0] == 2 * size_of(one)[0]


def test_the_chosen_are_always_among_the_points() -> None:
    chosen = np.array([3, 99, 50])
    points = _subset(100, chosen, 10, seed=1)
    assert len(points) == len(set(points)) == 10 and set(chosen) <= set(points)
    assert points.tolist() == sorted(points)
    assert not np.array_equal(points, _subset(100, chosen, 10, seed=2))
    assert _subset(100, chosen, 100, seed=1).tolist() == list(range(100))
    assert _subset(100, chosen, 2, seed=1).tolist() == [3, 50, 99]


def test_ids_are_found_where_they_stand_and_foreign_ones_are_named() -> None:
    features = Features(np.ones((3, 2), np.float32), np.array([7, 2, 9]))
    assert _rows(features, np.array([9, 7]), "x").tolist() == [2, 0]
    with pytest.raises(SettingsError, match="x names 1 images .* the first is 4"):
        _rows(features, np.array([9, 4]), "x")
    named = Features(np.ones((2, 2), np.float32), np.array(["cat/1.png", "dog/2.png"]))
    assert _rows(named, np.array(["2.png"]), "x").tolist() == [1]


def test_what_cannot_be_drawn_leaves_no_picture(tmp_path: Path) -> None:
    features, _, _ = files(tmp_path)
    out = tmp_path / "t.png"
    with pytest.raises(SettingsError, match="perplexity is 40, but there are 40 points"):
        tsne(TsneOrder(features, out, perplexity=40))
    assert main(["tsne", "--features", str(tmp_path / "no.npz"), "--out", str(out)]) == 3
    assert main(["tsne", "--features", str(features), "--out", str(out), "--most", "3"]) == 2
    assert not out.exists()
