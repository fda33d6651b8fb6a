"""What `usb-ext doctor` and `usb-ext algorithms` print."""

import os

import torch

from usb_ext.core.runtime import device_name, resolve_device, versions
from usb_ext.data.sets import OWN
from usb_ext.methods.named import register
from usb_ext.settings.algorithms import ALGORITHMS as OURS
from usb_ext.settings.algorithms import BASES, EXTENSIONS, carriers
from usb_ext.settings.data import AUDIO, TEXTS
from usb_ext.upstream.loading import load_semilearn
from usb_ext.upstream.nets import net_names
from usb_ext.upstream.stand_ins import bridged
from usb_ext.upstream.usb import ALGORITHMS, IMB_ALGORITHMS
from usb_ext.upstream.usb_datasets import IMAGES


def catalogue() -> str:
    """Which algorithms, bases, extensions, networks and data sets there are: a text of a few lines."""
    register()
    usb = [name for name in sorted(ALGORITHMS.keys()) if name not in carriers()]
    return "\n".join(
        [
            "algorithms of usb_ext:",
            *(f"  {one} [{' + '.join((one.base, *one.extensions))}]" for one in OURS.values()),
            "bases (any extension goes on any of them):",
            *(f"  {base}" for base in BASES.values()),
            "extensions:",
            *(f"  {extension}" for extension in EXTENSIONS.values()),
            f"USB's other algorithms: {', '.join(usb)}",
            f"USB's imbalanced algorithms (--imb_algorithm): {', '.join(sorted(IMB_ALGORITHMS.keys()))}",
            f"networks: {', '.join(net_names())}, timm/NAME, torchvision/NAME",
            f"data sets: {', '.join((*OWN, *IMAGES, *TEXTS, *AUDIO))}",
        ]
    )


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
