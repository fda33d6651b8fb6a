"""The parts of `usb-ext bench`: what is measured, and how."""
