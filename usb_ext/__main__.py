"""`python -m usb_ext`: the same as the installed command `usb-ext`."""

import sys

from usb_ext.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
