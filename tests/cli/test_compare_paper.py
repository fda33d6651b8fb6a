"""`usb-ext compare --paper`: a cell of a table is one command; --dry-run says what it would run."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from support.compare import Ended
from support.run import TINY

from usb_ext.cli import main as cli
from usb_ext.comparison.plan import Planned
from usb_ext.settings import load_settings
from usb_ext.settings.sources import read_yaml
from usb_ext.training.train import train

TOY = [
    *("--dataset", "digits", "--net", "wrn_10_1", "--img_size", "8", "--use_pretrain", "false"),
    *("--layer_decay", "1", "--num_train_iter", "2", "--epoch", "1", "--num_eval_iter", "2"),
    *("--num_warmup_iter", "0", "--batch_size", "4", "--num_workers", "0", "--device", "cpu"),
    *("--num_threads", "1", "--augment", "batched"),
]


def test_a_dry_run_lists_every_row_with_its_recipe_and_touches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", "--paper", "layermatch-1", "--cell", "cifar10/40", "--dry-run"]
    assert cli.main([*words, "--out", str(tmp_path / "out")]) == 0
    first, second, *lines = capsys.readouterr().out.splitlines()
    assert (
        first.startswith("layermatch-1 cifar10/40 (Liang et al.")
        and "layermatch_cifar10_10" in first
    )
    assert second.startswith("39 runs of 204800 steps in") or second.startswith("42 runs")
    assert second.endswith("labels 40; seeds 0, 1, 2")
    by_label = {line.partition(":")[0]: line for line in lines}
    assert "USB usb_cv/meanteacher: ema_m 0.999, ulb_loss_ratio 50" in by_label["MeanTeacher"]
    assert "ulb_loss_ratio 10, unsup_warm_up 0.4" in by_label["MixMatch"]
    assert by_label["LayerMatch"] == "LayerMatch: layermatch; the settings file as it is"
    assert lines[0].startswith("Only Supervised: supervised; ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--paper", "layermatch-1"], "layermatch-1 needs --cell; layermatch-1 has cifar10/10"),
        (["--paper", "tables"], "--paper is 'tables'; there are layermatch-1"),
        (["--paper", "as3l-8"], "`usb-ext prior-grid`"),
        (["--paper", "layermatch-4", "--num-labels", "40"], "leave --num-labels out"),
        (["--paper", "layermatch-4", "--methods", "uda"], "--paper TABLE --cell CELL"),
        (["--methods", "uda", "--cell", "cifar10/10"], "name it with --paper"),
        (["--methods", "nothing", "--dry-run"], "method 'nothing': algorithm is 'nothing'"),
    ],
)
def test_what_names_no_cell_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert cli.main(["compare", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_a_table_is_run_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LayerMatch's Fig. 3 on the digits, two steps a run; flags stand over file and recipe."""
    begun: list[dict[str, object]] = []

    def begin(run: Planned, out: Path, lock: int) -> Ended:
        train(load_settings(run.settings.model_dump()))
        begun.append(read_yaml(run.folder.config))
        return Ended()

    monkeypatch.setattr("usb_ext.comparison.stage.forks", lambda: nullcontext(begin))
    out = tmp_path / "out"
    words = ["compare", "--paper", "layermatch-fig3", "--out", str(out), *TOY, "--T", "0.7"]
    assert cli.main(words) == 0
    page = (out / "compare.md").read_text()
    for row in ("FixMatch", "FixMatch, with Grad-ReLU", "LayerMatch, Grad-ReLU off"):
        assert row in page
    assert "recipe of FixMatch: fixmatch in place of layermatch; USB classic_cv/fixmatch: " in page
    assert [run["algorithm"] for run in begun] == ["fixmatch", "fixmatch", "layermatch"]
    assert [run["T"] for run in begun] == [0.7, 0.7, 0.7]
    assert begun[1]["extensions"] == ["grad_relu"] and begun[2]["grad_relu"] is False
    said = (out / "runs" / "FixMatch_n10_l0_s0" / "log.txt").read_text().splitlines()[0]
    assert said.endswith(str(begun[0]["recipe"]))
    assert "command line: T 0.7" in str(begun[0]["recipe"]) and "recipe" not in begun[2]


def test_each_method_of_a_comparison_has_its_own_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    given = {**TINY, "algorithm": "layermatch", "T": 0.9, "ulb_loss_ratio": 3.0}
    path.write_text("".join(f"{name}: {value}\n" for name, value in given.items()))
    words = [
        "compare",
        "--c",
        str(path),
        "--dry-run",
        "--methods",
        "layermatch",
        "mixmatch:T=0.3",
        "uda",
    ]
    assert cli.main([*words, "--ulb_loss_ratio", "2"]) == 0
    _, ours, mix, uda = capsys.readouterr().out.splitlines()
    assert ours.endswith("the settings file as it is")
    assert "USB classic_cv/mixmatch: mixup_alpha 0.5, unsup_warm_up 0.4" in mix
    assert (
        "command line: T 0.3, ulb_loss_ratio 2" in mix and "command line: ulb_loss_ratio 2" in uda
    )
    assert "T 0.4" in uda
