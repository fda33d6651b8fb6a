"""Pre-trained weights, loaded strictly, wherever in their file the network's tensors lie.

USB loads with `strict=False`: a file in which no key matches is accepted in silence, and every key that
begins with fc, classifier, mlp or head is dropped. Here the place is found by matching: of all dicts in the
file (itself, `state_dict`, `model`, `teacher`, ...) and all prefixes (`module.`, `backbone.`,
`module.encoder_q.`, ...) the one under which most of the network is found, its layers by name or, as
`nn.Sequential(*net.children())` has them (lightly), by number. Of two copies in a file it is the trained one,
not the momentum's (MoCo, BYOL, EMAN), and DINO's teacher. It must fill the network below its head (a share of
`MIN_FILLED` of its numbers, each in its shape); what was matched, which copy was passed over, and what found
no place, is said in the log. (Removed by: "report keys that do not match".)
"""

import argparse
import logging
import re
import urllib.error
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from usb_ext.core.errors import DataMissing, reason
from usb_ext.core.files import broken_part
from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)
from usb_ext.upstream.heads import HEAD_NAMES

# isort: split
from semilearn.nets.utils import resize_pos_embed_vit

FIRST = ("", "model", "state_dict", "teacher", "target", "online", "student")
"""Of top-level keys under which equally much is found, the one that is taken."""

FIRST_PREFIX = ("", "module.", "backbone.", "encoder.", "model.", "module.encoder_q.")
COPIES = frozenset({"k", "key", "momentum", "target", "ema", "student"})
"""Words in a prefix by which one of two equal places is passed over: `module.encoder_k.`, `target_net.`."""

SHOWN = 4
DEEPEST = 3
MIN_FILLED = (
    0.95  # ours: MAE's own weights lack fc_norm, and a file of another network fills nothing
)
_log = logging.getLogger(__name__)

Tensors = dict[str, torch.Tensor]


def head_name(net: nn.Module, num_classes: int | None = None) -> str | None:
    """The name of the part that a network ends in, as in its state dict; None where none is found.

    Args:
        net: the network.
        num_classes: C, outputs of the last linear layer of that part; None takes any number.
    """
    for name in HEAD_NAMES:
        part = getattr(net, name, None)
        linears = (
            [m for m in part.modules() if isinstance(m, nn.Linear)]
            if isinstance(part, nn.Module)
            else []
        )
        if linears and num_classes in (None, linears[-1].out_features):
            return name
    layers = [(name, m) for name, m in net.named_modules() if isinstance(m, nn.Linear)]
    fitting = [name for name, m in layers if m.out_features == num_classes]
    return fitting[-1] if fitting else None


def last_layer(net: nn.Module, num_classes: int) -> str:
    """The full name of the linear layer that gives the C logits, as in the state dict.

    Args:
        net: in the interface of USB's networks.
        num_classes: C.

    Raises:
        DataMissing: there is none.
    """
    part = head_name(net, num_classes)
    if part is None:
        raise DataMissing(f"{type(net).__name__} ends in no linear layer of {num_classes} outputs")
    inside: Any = reduce(getattr, part.split("."), net)  # a property too, such as `classifier`
    layer = [m for m in inside.modules() if isinstance(m, nn.Linear)][-1]
    return next(str(name) for name, module in net.named_modules() if module is layer)


def load_pretrained(
    net: nn.Module,
    source: str,
    num_classes: int | None = None,
    heads: tuple[str, ...] | None = None,
) -> nn.Module:
    """Fill a network with weights from a file or an address.

    Args:
        net: the network; its head keeps its fresh values.
        source: a path, or a URL that is fetched into torch's cache.
        num_classes: C, by which the head is known; None knows it by its name.
        heads: beginnings of the head's names, where they are known.

    Returns:
        The same network.

    Raises:
        DataMissing: no such file, an address that cannot be fetched, or weights that do not match.
    """
    if heads is None:
        head = head_name(net, num_classes)
        heads = (f"{head}.",) if head else ()
    return fill(net, read_weights(source), source, heads)


def fill(net: nn.Module, content: Any, source: str, heads: tuple[str, ...]) -> nn.Module:
    """Fill a network with the tensors of a file, all but its head.

    Args:
        net: the network.
        content: what was read: tensors by name, maybe in dicts of dicts.
        source: where from, for the messages.
        heads: beginnings of the head's names, in the network and in the file.

    Returns:
        The same network.

    Raises:
        DataMissing: weights that do not match.
    """
    wanted = {k: v for k, v in net.state_dict().items() if not k.startswith(heads)}
    places = _places(content, wanted, _numbered(net))
    if not places:
        raise DataMissing(
            f"pretrain_path {source} holds no weights (a dict of tensors was expected)"
        )
    found = places[0]
    given = {k: v for k, v in found.below(wanted).items() if k in wanted or not k.startswith(heads)}
    if "pos_embed" in given and "pos_embed" in wanted:
        given["pos_embed"] = _fitted_positions(given["pos_embed"], wanted["pos_embed"])
    _compare(source, wanted, given, places)
    net.load_state_dict({k: v for k, v in given.items() if k in wanted}, strict=False)
    return net


@dataclass(frozen=True)
class Place:
    """Where in a file the weights may lie.

    Attributes:
        keys: top-level keys on the way to the dict, such as `state_dict`; empty for the file itself.
        prefix: what stands before the network's own names there, such as `module.encoder_q.`.
        tensors: all of that dict.
        names: of layers by their number, where they lie by number.
    """

    keys: tuple[str, ...]
    prefix: str
    tensors: Tensors
    names: Mapping[str, str] = field(default_factory=dict)

    def stripped(self) -> Tensors:
        """Its tensors without the prefix, under the network's names; those that lie elsewhere keep theirs."""
        return {self._name(k): v for k, v in self.tensors.items()}

    def below(self, wanted: Tensors) -> Tensors:
        """Of these, what lies below the prefix, and what has a name of the network's elsewhere."""
        named = {self._name(k) for k in self.tensors if k.startswith(self.prefix)}
        return {k: v for k, v in self.stripped().items() if k in named or k in wanted}

    def _name(self, key: str) -> str:
        if not key.startswith(self.prefix):
            return key
        first, dot, rest = key.removeprefix(self.prefix).partition(".")
        return f"{self.names.get(first, first)}{dot}{rest}"

    @property
    def is_copy(self) -> bool:
        """Whether its prefix is that of an average of another network in the file."""
        return bool(COPIES & set(re.split(r"[._]", self.prefix)))

    def fit(self, wanted: Tensors) -> tuple[int, int]:
        """Numbers of the network that are found here in their shape, and by their name alone."""
        here = self.stripped()
        named = [k for k in wanted if k in here]
        fitting = sum(wanted[k].numel() for k in named if wanted[k].shape == here[k].shape)
        return fitting, sum(wanted[k].numel() for k in named)

    def rank(self, wanted: Tensors) -> tuple[Any, ...]:
        """The larger, the better: what fits, then the usual key and prefix, then the shorter ones."""
        key = self.keys[-1] if self.keys else ""
        places = [-_place(FIRST, key), not self.is_copy, -_place(FIRST_PREFIX, self.prefix)]
        return (
            *self.fit(wanted),
            not self.names,
            *places,
            -len(self.keys),
            -len(self.prefix),
            self.prefix,
        )

    def __str__(self) -> str:
        """Such as "below 'module.' in 'state_dict'"; empty where it is the file itself."""
        below = [f"below {self.prefix!r}"] if self.prefix else []
        inside = [f"in {'/'.join(self.keys)!r}"] if self.keys else []
        return " ".join([*below, *inside, *(["by number"] if self.names else [])])


def _place(order: tuple[str, ...], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _numbered(net: nn.Module) -> dict[str, str]:
    """The name of each child by its number, as a plain sequence of the children has them."""
    return {str(number): name for number, (name, _) in enumerate(net.named_children())}


def _places(content: Any, wanted: Tensors, numbered: Mapping[str, str]) -> list[Place]:
    """Where the network may lie, that under which most of it is found first; none without tensors."""
    number = {name: digits for digits, name in numbered.items()}
    by_number = {f"{number.get(k.partition('.')[0], '')}.{k.partition('.')[2]}" for k in wanted}
    places = [
        Place(keys, prefix, tensors, names)
        for keys, tensors in _dicts(content)
        for names, known in (({}, wanted.keys()), (numbered, by_number))
        for prefix in _prefixes(tensors, known)
    ]
    return sorted(places, key=lambda place: place.rank(wanted), reverse=True)


def _dicts(content: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Tensors]]:
    """Every dict with tensors, and the keys that lead to it."""
    if not isinstance(content, Mapping) or len(keys) > DEEPEST:
        return
    tensors = {str(k): v for k, v in content.items() if isinstance(v, torch.Tensor)}
    if tensors:
        yield keys, tensors
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _dicts(value, (*keys, str(key)))


def _prefixes(tensors: Tensors, wanted: Set[str]) -> set[str]:
    """What may stand before the network's names: none, or what is left of a key that ends in one."""
    found = {""}
    for key in tensors:
        parts = key.split(".")
        for i in range(1, len(parts)):
            if ".".join(parts[i:]) in wanted:
                found.add(".".join(parts[:i]) + ".")
    return found


def _fitted_positions(given: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Positions (1, 1 + m * m, d) resized to (1, 1 + n * n, d); others as they are, for `_compare`."""
    if given.shape == wanted.shape:
        return given
    try:
        resized: torch.Tensor = resize_pos_embed_vit(given, wanted)
    except RuntimeError:  # not one token and a square grid
        return given
    return resized


def read_weights(source: str) -> Any:
    """What a file of weights holds, of torch's or safetensors; no code in it is run.

    Args:
        source: a path, or a URL that is fetched into torch's cache.

    Raises:
        DataMissing: it is not there, cannot be fetched or cannot be read.
    """
    path = Path(source).expanduser()
    try:
        with torch.serialization.safe_globals(
            [argparse.Namespace]
        ):  # the arguments of MAE, DINO, ...
            if path.is_file() and path.suffix == ".safetensors":
                return load_file(path)
            if path.is_file():
                if bad := broken_part(path):
                    raise ValueError(f"the checksum of its part {bad} is wrong")
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
    if objects := _objects(source):
        return DataMissing(
            f"pre-trained weights {source} cannot be read: besides tensors the file holds {objects}, and "
            "to read these could run code; if you trust it, save its tensors alone: "
            f"torch.save(torch.load({source!r}, weights_only=False)['model'], 'weights.pth'), "
            "with the key that holds them for 'model'"
        )
    why = reason(error)
    if isinstance(error, urllib.error.URLError) or "://" in source:
        cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(source).name
        return DataMissing(
            f"pre-trained weights {source} could not be fetched ({why}); download the file by "
            f"another way and put it at {cache}, or name it with --pretrain_path"
        )
    return DataMissing(f"pre-trained weights {source} cannot be read ({why})")


def _objects(source: str) -> str:
    """Names of what is no tensor in a file of torch's, which is not run for that; empty for others."""
    try:
        path = Path(source).expanduser()
        found = torch.serialization.get_unsafe_globals_in_checkpoint(path) if path.is_file() else []
    except Exception:  # noqa: BLE001  (no file of torch's: whatever its bytes lead to)
        return ""
    return _some([name for name in found if name != "argparse.Namespace"])


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


def _passed_over(places: list[Place], wanted: Tensors) -> str:
    """The other copies of the network in a file, such as "; not below 'encoder_k.'"; empty without one."""
    first = places[0]
    fit = first.fit(wanted)
    others = [p for p in places[1:] if p.names == first.names and p.fit(wanted) == fit and fit[0]]
    told = [str(p) or "in the file itself" for p in others if str(p) != str(first)]
    return f"; not {_some(told)}" if told else ""


def _compare(source: str, wanted: Tensors, given: Tensors, places: list[Place]) -> None:
    """Refuse what does not fill the network; say what was matched."""
    place = places[0]
    found = misfits(wanted, given)
    problems = misfits_in_words(found)
    total = sum(v.numel() for v in wanted.values())
    filled = 1.0 - sum(wanted[k].numel() for k in found["missing"]) / total if total else 0.0
    told = f"{place}{_passed_over(places, wanted)}".removeprefix("; ")
    where = f" ({told})" if told else ""
    counters = {k for k in wanted if k.endswith("num_batches_tracked")}
    if found["of another shape"] or filled < MIN_FILLED:
        names = sorted(wanted.keys() - counters) or ["nothing below its head"]
        raise DataMissing(
            f"weights {source} fill {filled:.0%} of the network{where}: keys {problems}; use the weights of "
            f"the same --net; its tensors are called {_some(names)}, with any prefix before all of them"
        )
    count = len(wanted.keys() - counters)
    _log.info(
        "weights %s: %d of %d tensors loaded%s", source, count - len(found["missing"]), count, where
    )
    if problems:
        _log.warning("weights %s fill %.1f%% of the network: %s", source, 100 * filled, problems)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (", ..." if len(keys) > SHOWN else "")
