"""The subcommands of `usb-ext`: a module each, with `add` (its arguments) and `run` (call a stage).

torch and semilearn are imported inside `run`, so help and argument errors answer at once. `train` is
not among them: its arguments are the settings (`main.py`).
"""

from types import ModuleType

from usb_ext.cli import (
    as3l,
    bench,
    catalogue,
    check_config,
    compare,
    curves,
    doctor,
    export_patches,
    pretrain,
    prior_grid,
    propagate,
    select,
    table,
    tsne,
)

COMMANDS: dict[str, ModuleType] = {
    "check-config": check_config,
    "compare": compare,
    "table": table,
    "curves": curves,
    "select": select,
    "propagate": propagate,
    "tsne": tsne,
    "bench": bench,
    "export-patches": export_patches,
    "doctor": doctor,
    "algorithms": catalogue,
}
"""In the order of the help page."""

WITH_SETTINGS: dict[str, ModuleType] = {
    "pretrain": pretrain,
    "as3l": as3l,
    "prior-grid": prior_grid,
}
"""Those whose flags are the settings, as train's: each with `HELP` and `run(words, show)`."""
