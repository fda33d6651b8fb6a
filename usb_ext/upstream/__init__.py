"""The only package that imports semilearn (USB): its names, its bridges, its workarounds.

Each workaround is named after the upstream patch that would remove it. `running.py` says what a running
algorithm has, who sets it and when; `usb.pyi` gives the types of USB's names in `usb.py`.
"""
