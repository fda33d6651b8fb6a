"""Settings at random: mutated files, edge values, and runs of two steps. A table, a JSON, no traceback.

    python tests/campaign/settings.py --n 700 --seed 0 --json out.json

or `pytest -m campaign tests/campaign/settings.py`. A case is ok where it is accepted or trains, refused where
it ends with one of our errors in one line, and failed where it raises anything else or takes too long.
"""

import argparse
import contextlib
import io
import json
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usb_ext.core.errors import Interrupted, UsbExtError
from usb_ext.settings import load_settings, resolved_yaml
from usb_ext.settings.model import Settings

ROOT = Path(__file__).parents[2]
SECONDS = {"mutated files": 10, "edge values": 10, "two steps": 120}
LONGEST_LINE = 4000


class TooLong(BaseException):
    """A case took longer than it may."""


@dataclass
class Kind:
    """What came of the cases of a kind."""

    name: str
    ends: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, str]] = field(default_factory=list)

    def run(self, case: object, act: Callable[[], object]) -> None:
        """Count how a case ends."""
        try:
            with limited(SECONDS[self.name]):
                act()
            end = "ok"
        except Interrupted as error:
            end = f"interrupted: {error}"
        except UsbExtError as error:
            text = str(error)
            fine = text.strip() and "\n" not in text and "Traceback" not in text
            end = (
                "refused" if fine and len(text) < LONGEST_LINE else f"not one line: {text[:200]!r}"
            )
        except TooLong:
            end = "hung"
        except Exception as error:  # noqa: BLE001  (that is what is looked for)
            end = f"{type(error).__name__}: {str(error)[:200]!r}"
        self.ends[end if end in ("ok", "refused") else "failed"] += 1
        if end not in ("ok", "refused"):
            self.failures.append({"case": repr(case)[:500], "end": end})

    def report(self) -> dict[str, Any]:
        """For the JSON."""
        counts = {name: self.ends[name] for name in ("ok", "refused", "failed")}
        return {"tried": sum(self.ends.values()), **counts, "failures": self.failures}


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Inside, work may take so long."""

    def end(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


TOKENS = (
    "!!bool maybe", "!!python/object:os.system x", "&a [*a]", "*nothing", "{a: {b: {c: 1}}}", "[[[1]]]",
    "99999999999999999999999999", "1e400", "-.inf", ".nan", "0x" + "f" * 5000, "'", '"\\x00"', "\t", "? x",
    "é" * 300, "<<: *a", "---", "%YAML 9.9", "|", ">", "~", "@", "`", "None", "[", "}", ": :", "\ufeff",
)  # fmt: skip


def mutated(rng: np.random.Generator, text: str) -> bytes:
    """A settings file with one to three things changed, as bytes."""
    lines = text.splitlines()
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(lines))) if lines else 0
        token = TOKENS[int(rng.integers(len(TOKENS)))]
        name = lines[at].partition(":")[0] if lines else "x"
        change = int(rng.integers(8))
        if change == 0:
            lines[at:at] = [f"{name}: {token}"]
        elif change == 1:
            lines[at : at + 1] = [f"{name}: {token}"]
        elif change == 2:
            del lines[at : at + 1]
        elif change == 3:
            lines[at:at] = [" " * int(rng.integers(1, 5)) + token]
        elif change == 4:
            other = int(rng.integers(max(1, len(lines))))
            lines[at : at + 1] = [f"{name}:{lines[other].partition(':')[2]}" if lines else token]
        elif change == 5:
            lines[at : at + 1] = [name[::-1] + ": 1"]
        elif change == 6:
            lines = lines[: at + 1]
        else:
            lines.append(token)
        lines = lines or ["seed: 0"]
    content = bytearray("\n".join(lines).encode())
    if rng.random() < 0.3 and content:
        content[int(rng.integers(len(content)))] = int(rng.integers(256))
    return bytes(content)


def mutated_files(n: int, seed: int) -> Kind:
    """Our own files, mutated, through the reader of `--c`."""
    kind, rng = Kind("mutated files"), np.random.default_rng([seed, 1])
    sources = [path.read_text() for path in sorted((ROOT / "config").glob("*.yaml"))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        for _ in range(n):
            path.write_bytes(mutated(rng, sources[int(rng.integers(len(sources)))]))
            kind.run(path.read_bytes(), lambda: load_settings(path))
    return kind


EDGES: tuple[object, ...] = (
    None, "", "None", "auto", True, False, 0, -1, 1, 2, 2**31, 2**32 - 1, 2**32, 2**53, 2**64,
    10**400, -(10**400),
    0.0, -0.0, 5e-324, 1e308, 0.5, 1.0, float("nan"), float("inf"), "x" * 300, "a\0b", "é" * 200, "\udcff",
    [], [1], ["x"], {}, [[]], {"a": 1}, "calibrate",
)  # fmt: skip


def edge_values(n: int, seed: int) -> Kind:
    """Each setting at the edges of what a value can be; what is accepted is written and read back."""
    kind, rng = Kind("edge values"), np.random.default_rng([seed, 2])
    cases = [(name, value) for name in Settings.model_fields for value in EDGES]
    chosen = rng.permutation(len(cases))[:n]

    def case(name: str, value: object) -> None:
        loaded = load_settings({name: value})
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", errors="surrogateescape") as file:
            file.write(resolved_yaml(loaded.settings))
            file.flush()
            again = load_settings(file.name).settings
        kept = loaded.settings.model_dump(exclude={"overwrite"})
        assert again.model_dump(exclude={"overwrite"}) == kept, "not the same when read back"

    for i in chosen:
        name, value = cases[int(i)]
        kind.run((name, value), lambda name=name, value=value: case(name, value))
    return kind


RUN: dict[str, Any] = {
    "dataset": "digits", "num_classes": 10, "num_labels": 20, "net": "wrn_10_1", "img_size": 8,
    "batch_size": 4,
    "num_train_iter": 2, "num_eval_iter": 2, "num_log_iter": 1, "eval_batch_size": 500, "num_workers": 0,
    "num_threads": 1, "progress": "off", "device": "cpu",
}  # fmt: skip

DRAWN: dict[str, tuple[Any, ...]] = {
    "dataset": ("digits", "digits", "moons", "linear", "circles"),
    "net": ("wrn_10_1", "mlp_100_100", "wrn_28_2", "vit_tiny_patch2_32", "resnet50"),
    "img_size": (8, 12, 16, 32), "batch_size": (1, 2, 3, 8), "uratio": (1, 2, 3),
    "num_labels": (10, 20, 37, 100),
    "label_split": ("per_class", "random"), "num_classes": (10, 2, 3), "lb_imb_ratio": (1.0, 3.0, -3.0),
    "include_lb_to_ulb": (True, False), "ulb_num_labels": (None, 50), "ulb_imb_ratio": (1.0, 5.0),
    "num_val": (None, 10), "optim": ("SGD", "AdamW"), "momentum": (0.9, 0.0), "ema_m": (0.0, 0.999),
    "layer_decay": (1.0, 0.7), "clip_grad": (0.0, 1.0), "amp": ("off", "bf16", "fp16"),
    "use_cat": (True, False),
    "augment": ("usb", "batched"), "step": ("ours", "usb"), "epoch": (1, 2), "hard_label": (None, False),
    "p_cutoff": (None, 0.0, 0.5, 1.0), "T": (None, 0.1), "ema_p": (None, 0.0, 1.0),
    "ulb_loss_mean": ("batch", "selected"),
    "weight_decay": (0.0, 5e-4), "channels_last": (True, False), "fused_optimizer": (True, False),
    "crop_ratio": (0.5, 1.0), "mixup_alpha": (None, 0.0, 0.5), "proj_size": (None, 1),
    "queue_batch": (None, 1),
    "da_len": (None, 1), "n_sigma": (None, 1), "vat_embed": (None, True), "use_quantile": (None, True),
    "per_class": (None, True), "dist_align": (None, False), "tsa_schedule": (None, "linear", "exp"),
    "daso_num_pretrain_iter": (None, 0, 1), "daso_num_pl_dist_iter": (None, 1),
    "cossl_tfe_warm_bs": (None, 1, 4),
    "darp_warmup_epochs": (None, 0), "tras_warmup_epochs": (None, 0), "crest_num_gens": (None, 2),
    "imbalance_class": (None, 0, "random"), "imbalance_fraction": (None, 0.0, 0.5), "toy_train": (1040, 20),
}  # fmt: skip


def drawn(rng: np.random.Generator) -> dict[str, Any]:
    """An algorithm, perhaps an imbalanced one and extensions, and up to five settings at other values."""
    from usb_ext.settings.algorithms import ALGORITHMS, BASES, EXTENSIONS
    from usb_ext.upstream.usb import ALGORITHMS as USB
    from usb_ext.upstream.usb import IMB_ALGORITHMS

    names = sorted({*USB.keys(), *ALGORITHMS, *BASES})
    given: dict[str, Any] = {"algorithm": names[int(rng.integers(len(names)))]}
    if rng.random() < 0.25:
        imbalanced = sorted(IMB_ALGORITHMS.keys())
        given["imb_algorithm"] = imbalanced[int(rng.integers(len(imbalanced)))]
    if rng.random() < 0.25:
        given["extensions"] = [list(EXTENSIONS)[int(rng.integers(len(EXTENSIONS)))]]
    for name in rng.permutation(list(DRAWN))[: int(rng.integers(6))]:
        given[str(name)] = DRAWN[str(name)][int(rng.integers(len(DRAWN[str(name)])))]
    if "dash" in (given["algorithm"], given.get("base")):
        given["num_wu_iter"] = 1
    if given.get("dataset", "digits") != "digits":
        given = {"net": "mlp_100_100", "num_classes": 2, **given}
    return given


def two_steps(n: int, seed: int, most_draws: int = 20) -> Kind:
    """Settings that are accepted train for two steps, or end with one sentence."""
    from usb_ext.training.train import train

    kind, rng = Kind("two steps"), np.random.default_rng([seed, 3])
    with tempfile.TemporaryDirectory() as folder:
        for number in range(n):
            for _ in range(most_draws):
                given = {**RUN, **drawn(rng), "save_dir": folder, "save_name": str(number)}
                if accepted(given):
                    break
            else:
                continue
            shown = {k: v for k, v in given.items() if RUN.get(k) != v}
            with contextlib.redirect_stderr(io.StringIO()):
                kind.run(shown, lambda given=given: train(load_settings(given)))
    return kind


def accepted(given: dict[str, Any]) -> bool:
    """Whether settings are free of contradictions; what raises anything else is a case, too."""
    try:
        load_settings(given)
    except UsbExtError:
        return False
    except Exception:  # noqa: BLE001  (met again in the case, and counted there)
        return True
    return True


def campaign(n: int, seed: int, files: int = 500, edges: int = 6000) -> dict[str, Any]:
    """All kinds; n is the number of runs."""
    from usb_ext.core.runtime import commit

    kinds = (mutated_files(files, seed), edge_values(edges, seed), two_steps(n, seed))
    return {
        "n": n,
        "seed": seed,
        "commit": commit(),
        "kinds": {kind.name: kind.report() for kind in kinds},
    }


def table(found: dict[str, Any]) -> str:
    """The figures, a line a kind."""
    rows = ["| kind | tried | ok | refused in one line | failed |", "|---|---|---|---|---|"]
    for name, one in found["kinds"].items():
        rows.append(
            f"| {name} | {one['tried']} | {one['ok']} | {one['refused']} | {one['failed']} |"
        )
    return "\n".join(rows) + "\n"


@pytest.mark.campaign
def test_no_settings_end_with_a_traceback() -> None:
    found = campaign(700, 0)
    assert not [failure for one in found["kinds"].values() for failure in one["failures"]]


def main() -> int:
    """Run the campaign; gives 1 where a case failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=700, help="runs of two steps")
    parser.add_argument("--files", type=int, default=500, help="mutated files")
    parser.add_argument("--edges", type=int, default=6000, help="edge values")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = campaign(asked.n, asked.seed, asked.files, asked.edges)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(table(found))
    for one in found["kinds"].values():
        for failure in one["failures"]:
            sys.stdout.write(f"{failure['end']}\n    {failure['case']}\n")
    return int(any(one["failed"] for one in found["kinds"].values()))


if __name__ == "__main__":
    sys.exit(main())
