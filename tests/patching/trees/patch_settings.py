"""The new algorithms' settings files on main: `python patch_settings.py TREE` prints what is wrong with each.

The tree's generators are run in it, so it is a tree to throw away. A file must be the one that its generator
makes, where it makes one, have every key that USB's FixMatch has in that folder but FixMatch's own, and be
read by `train.py` without a warning of an unknown key.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from unittest import mock

from patch_world import enter, usb

NEW = ("as3l", "influence", "layermatch", "smoothfixmatch")
OF_FIXMATCH = {"p_cutoff", "hard_label", "T", "use_pretrain", "pretrain_path", "num_warmup_iter"}


def main(tree: Path) -> dict[str, list[str]]:
    """By file what is wrong with it."""
    files = sorted(p for name in NEW for p in (tree / "config").glob(f"*/{name}/*.yaml"))
    before = {path: path.read_text() for path in files}
    for script in ("classic_cv", "usb_cv"):
        words = [sys.executable, f"scripts/config_generator_{script}.py"]
        subprocess.run(words, cwd=tree, check=True, stdout=subprocess.DEVNULL)
    enter(tree)
    os.chdir(tree)
    import train

    said = {}
    for path in files:
        wrong = [] if path.read_text() == before[path] else ["the generator makes another one"]
        fixmatch = next(path.parents[1].glob("fixmatch/*.yaml")).read_text()
        missing = _keys(fixmatch) - _keys(before[path]) - OF_FIXMATCH
        wrong += [f"has no {key}" for key in sorted(missing)]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with mock.patch.object(sys, "argv", ["train.py", "--c", str(path)]):
                args = train.get_config()
        wrong += [str(w.message) for w in caught if "is not a setting" in str(w.message)]
        if args.algorithm not in usb("core.utils").ALGORITHMS.keys():
            wrong.append(f"{args.algorithm} is no algorithm")
        said[str(path.relative_to(tree))] = wrong
    return said


def _keys(text: str) -> set[str]:
    return {line.partition(":")[0] for line in text.splitlines() if line}


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()):
        rows = main(Path(sys.argv[1]).resolve())
    sys.stdout.write(json.dumps(rows))
