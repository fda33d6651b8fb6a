"""`python usb_ext/train.py --c config/layermatch_digits_10.yaml`: the same as `usb-ext train`.

Run as a script, Python puts the folder `usb_ext/` itself first on the import path, where our `config`,
`data` and `hooks` would be found before other packages of those names; the entry is dropped first.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
    sys.path.append(str(HERE.parent))
    from usb_ext.cli.main import main

    sys.exit(main(["train", *sys.argv[1:]]))
