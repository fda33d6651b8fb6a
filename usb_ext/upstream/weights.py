"""Pre-trained weights, loaded strictly.

USB loads with `strict=False`: a file in which no key matches is accepted in silence. Here the
file must fill the network below its head (a share of `MIN_FILLED` of its numbers, each in its shape), and
keys that find no place are named in the log. (Removed by: "report keys that do not match".)
"""

import logging
import urllib.error
from pathlib import Path
from typing import Any

import torch

from usb_ext.core.errors import DataMissing, reason
from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)

# isort: split
from semilearn.nets.utils import resize_pos_embed_vit

HEADS = ("fc.", "classifier.", "mlp", "head.")
SHOWN = 4
MIN_FILLED = (
    0.95  # ours: MAE's own weights lack fc_norm, and a file of another network fills nothing
)
_log = logging.getLogger(__name__)


def load_pretrained(net: torch.nn.Module, source: str) -> torch.nn.Module:
    """Fill a network with weights from a file or an address.

    Args:
        net: the network; keys starting with fc, classifier, mlp or head keep their fresh values.
        source: a path, or a URL that is fetched into torch's cache.

    Returns:
        The same network.

    Raises:
        DataMissing: no such file, an address that cannot be fetched, or weights that do not match.
    """
    found = _state(source)
    wanted = {k: v for k, v in net.state_dict().items() if not k.startswith(HEADS)}
    given = {k: v for k, v in found.items() if not k.startswith(HEADS)}
    if "pos_embed" in given and "pos_embed" in wanted:
        given["pos_embed"] = _fitted_positions(given["pos_embed"], wanted["pos_embed"])
    _compare(source, wanted, given)
    net.load_state_dict(given, strict=False)
    return net


def _fitted_positions(given: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Positions (1, 1 + m * m, d) resized to (1, 1 + n * n, d); others as they are, for `_compare`."""
    if given.shape == wanted.shape:
        return given
    try:
        resized: torch.Tensor = resize_pos_embed_vit(given, wanted)
    except RuntimeError:  # not one token and a square grid
        return given
    return resized


def _state(source: str) -> dict[str, torch.Tensor]:
    content = _read(source)
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict):
        raise DataMissing(f"pretrain_path {source} holds no weights (a dict was expected)")
    state = {str(k).removeprefix("module."): v for k, v in content.items()}
    return {k: v for k, v in state.items() if isinstance(v, torch.Tensor)}


def _read(source: str) -> Any:
    path = Path(source).expanduser()
    try:
        if path.is_file():
            return torch.load(path, map_location="cpu", weights_only=True)
        if "://" in source:
            return torch.hub.load_state_dict_from_url(
                source, map_location="cpu", weights_only=True, progress=False
            )
    except Exception as error:  # a damaged file raises whatever its bytes lead to
        raise _unreadable(source, error) from error
    raise DataMissing(
        f"pretrain_path is {source!r}, and there is no such file; give the path of the weights, or "
        "train from scratch with --use_pretrain false"
    )


def _unreadable(source: str, error: Exception) -> DataMissing:
    why = reason(error)
    if isinstance(error, urllib.error.URLError) or "://" in source:
        cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(source).name
        return DataMissing(
            f"pre-trained weights {source} could not be fetched ({why}); download the file by "
            f"another way and put it at {cache}, or name it with --pretrain_path"
        )
    return DataMissing(f"pre-trained weights {source} cannot be read ({why})")


def misfits(wanted: dict[str, Any], given: dict[str, Any]) -> dict[str, list[str]]:
    """The keys in which weights and a network differ, counters of batches apart.

    Args:
        wanted: the network's tensors by name.
        given: the weights.

    Returns:
        Sorted keys that are `missing`, `not of this network` or `of another shape`.
    """
    counters = {k for k in wanted if k.endswith("num_batches_tracked")}
    shapes = [k for k in wanted.keys() & given.keys() if wanted[k].shape != given[k].shape]
    return {
        "missing": sorted(wanted.keys() - given.keys() - counters),
        "not of this network": sorted(given.keys() - wanted.keys()),
        "of another shape": sorted(shapes),
    }


def misfits_in_words(found: dict[str, list[str]]) -> str:
    """How many keys differ, and the first of them; empty where none does.

    Args:
        found: what `misfits` gave.
    """
    return "; ".join(f"{len(keys)} {what} ({_some(keys)})" for what, keys in found.items() if keys)


def _compare(source: str, wanted: dict[str, Any], given: dict[str, Any]) -> None:
    found = misfits(wanted, given)
    problems = misfits_in_words(found)
    total = sum(v.numel() for v in wanted.values())
    filled = 1.0 - sum(wanted[k].numel() for k in found["missing"]) / max(1, total)
    if found["of another shape"] or filled < MIN_FILLED:
        raise DataMissing(
            f"weights {source} fill {filled:.0%} of the network: keys {problems}; "
            "use the weights of the same --net"
        )
    if problems:
        _log.warning("weights %s fill %.1f%% of the network: %s", source, 100 * filled, problems)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (", ..." if len(keys) > SHOWN else "")
