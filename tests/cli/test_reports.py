"""What `usb-ext algorithms` and `usb-ext doctor` print."""

from typing import Any

import usb_ext

BASES = [
    "fixmatch",
    "flexmatch",
    "freematch",
    "softmatch",
    "adamatch",
    "uda",
    "dash",
    "pseudolabel",
    "fixmatch_eman",
    "instant",
]


def test_algorithms_lists_names_with_a_line_each(call: Any) -> None:
    code, out, err = call("algorithms")
    assert (code, err) == (0, "")
    rows = dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)
    assert rows["  layermatch"].endswith("[freematch + grad_relu + avg_clustering]")
    bases = out.split("any of them):\n")[1].split("extensions:")[0].splitlines()
    assert [line.strip().split(":")[0] for line in bases] == BASES
    assert {"  grad_relu", "  avg_clustering"} <= set(rows)
    usb = rows["USB's other algorithms"].split(", ")
    assert {"mixmatch", "comatch", "vat"} <= set(usb) and not set(usb) & {*BASES, "layermatch"}
    assert {"abc", "darp"} <= set(rows["USB's imbalanced algorithms (--imb_algorithm)"].split(", "))
    assert {"wrn_28_2", "wrn_10_1"} <= set(rows["networks"].split(", "))
    assert {"digits", "imagefolder", "cifar10"} <= set(rows["data sets"].split(", "))


def test_doctor_says_what_is_installed_and_where_runs_compute(call: Any) -> None:
    import torch

    code, out, err = call("doctor")
    assert (code, err) == (0, "")
    assert f"  torch {torch.__version__.partition('+')[0]}" in out
    assert f"  usb_ext {usb_ext.__version__}\n" in out
    assert "  semilearn 0.3.2\n" in out
    assert "device (auto): " in out and "  wandb: " in out
