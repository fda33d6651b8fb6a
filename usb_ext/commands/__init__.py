"""The subcommands of `usb-ext`: a module each, with `add` (its arguments) and `run` (call a stage).

torch and semilearn are imported inside `run`, so help and argument errors answer at once. `train` is
not among them: its arguments are the settings (`cli.py`).
"""

from types import ModuleType

from usb_ext.commands import (
    bench,
    catalogue,
    check_config,
    compare,
    curves,
    doctor,
    propagate,
    select,
    table,
)

COMMANDS: dict[str, ModuleType] = {
    "check-config": check_config,
    "compare": compare,
    "bench": bench,
    "table": table,
    "curves": curves,
    "select": select,
    "propagate": propagate,
    "doctor": doctor,
    "algorithms": catalogue,
}
"""In the order of the help page."""
