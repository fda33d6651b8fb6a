"""The doctor stage: what is installed, where runs compute, and what of USB is bridged."""

import os

import torch

from usb_ext.core.runtime import device_name, resolve_device, versions
from usb_ext.upstream.loading import load_semilearn
from usb_ext.upstream.stand_ins import bridged


def doctor() -> str:
    """Versions, device and bridges as a text of a few lines.

    Raises:
        UsbExtError: if semilearn cannot be used at all; the message says why.
    """
    load_semilearn()
    device = resolve_device("auto")
    lines = ["versions:"]
    lines += [f"  {name} {version}" for name, version in versions().items()]
    lines.append(f"device (auto): {device_name(device)}; {os.cpu_count()} CPU cores")
    lines.append(f"CUDA that torch was built for: {torch.version.cuda or 'none'}")
    lines.append("packages that USB imports:")
    lines += [f"  {name}: {state}" for name, state in bridged(probe=True).items()]
    lines.append("USB: imports, all algorithms registered; its .cuda calls are sent to the device")
    return "\n".join(lines)
