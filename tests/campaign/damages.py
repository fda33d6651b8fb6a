"""Ways to damage a file, by what it holds; each a function of a generator and a path."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

Generator = np.random.Generator
Damage = Callable[[Generator, Path], str]


def flipped(rng: Generator, path: Path, most: int = 1) -> str:
    """Some bits flipped."""
    content = bytearray(path.read_bytes() or b"\0")
    places = rng.integers(len(content), size=most).tolist()
    for place in places:
        content[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)
    return f"bits flipped at {places}"


def flipped_often(rng: Generator, path: Path) -> str:
    """Twenty bits flipped."""
    return flipped(rng, path, 20)


def cut(rng: Generator, path: Path) -> str:
    """Truncated at a random byte, the first included."""
    size = int(rng.integers(max(1, path.stat().st_size)))
    os.truncate(path, size)
    return f"cut after {size} bytes"


def empty(rng: Generator, path: Path) -> str:
    """Nothing left, as a power cut leaves it."""
    os.truncate(path, 0)
    return "empty"


def zeroed(rng: Generator, path: Path) -> str:
    """Zeros from a random byte on, the size unchanged."""
    content = path.read_bytes()
    start = int(rng.integers(max(1, len(content))))
    path.write_bytes(content[:start] + bytes(len(content) - start))
    return f"zeros from byte {start}"


def longer(rng: Generator, path: Path) -> str:
    """Bytes behind its end."""
    path.write_bytes(path.read_bytes() + rng.bytes(50))
    return "50 bytes behind its end"


def noise(rng: Generator, path: Path) -> str:
    """Other bytes, the size unchanged."""
    path.write_bytes(rng.bytes(path.stat().st_size))
    return "noise"


def gone(rng: Generator, path: Path) -> str:
    """Deleted."""
    path.unlink()
    return "deleted"


def folder(rng: Generator, path: Path) -> str:
    """A folder in its place."""
    path.unlink()
    path.mkdir()
    return "a folder"


def dangling(rng: Generator, path: Path) -> str:
    """A link to nowhere in its place."""
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))
    return "a link to nowhere"


def pipe(rng: Generator, path: Path) -> str:
    """A pipe in its place, which nobody writes into."""
    path.unlink()
    os.mkfifo(path)
    return "a pipe"


RAW: tuple[Damage, ...] = (
    *(flipped, flipped, flipped, flipped_often, cut, cut, empty, zeroed, longer, noise, gone),
    *(folder, dangling, pipe),
)

TEXTS = (
    "", " ", "[]", "{}", "null", "3", '"x"', "NaN", "[1, 2", "[" * 100_000, '{"a":' * 100_000, "\ufeff{}",
    "[[]]", "[-1]", "[true]", "[1e999]", '{"ids": 3}', '{"ids": [{}]}', "a: *b", "\0" * 100, "é" * 10_000,
    "a,b,c,d\n" * 9,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None,
    "x",
    [],
    {},
    -1,
    1.5,
    float("nan"),
    float("inf"),
    True,
    [[]],
    10**30,
)


def other_text(rng: Generator, path: Path) -> str:
    """A text of another kind."""
    text = TEXTS[int(rng.integers(len(TEXTS)))]
    path.write_text(text)
    return f"the text {text[:20]!r}"


def no_utf8(rng: Generator, path: Path) -> str:
    """A byte that is no UTF-8."""
    content = path.read_bytes()
    place = int(rng.integers(len(content) + 1))
    path.write_bytes(content[:place] + b"\xe9" + content[place:])
    return f"the byte e9 at {place}"


def lines_mixed(rng: Generator, path: Path) -> str:
    """Its lines in another order, one of them twice."""
    lines = path.read_bytes().splitlines(keepends=True) or [b""]
    mixed = [lines[i] for i in rng.permutation(len(lines))]
    path.write_bytes(b"".join([*mixed, mixed[0]]))
    return "lines mixed"


def other_value(rng: Generator, path: Path) -> str:
    """JSON, one key of it with a value of another kind, or without that key."""
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    at = int(rng.integers(len(lines)))
    content = json.loads(lines[at])
    if not isinstance(content, dict) or not content:
        return other_text(rng, path)
    name = sorted(content)[int(rng.integers(len(content)))]
    number = int(rng.integers(len(VALUES) + 1))
    if number == len(VALUES):
        del content[name]
        said = f"without {name}"
    else:
        content[name] = VALUES[number]
        said = f"{name}: {VALUES[number]!r}"
    lines[at] = json.dumps(content)
    path.write_text("\n".join(lines) + "\n")
    return said


def other_arrays(rng: Generator, path: Path) -> str:
    """Arrays of which one has NaN, another shape or another type, or is not there."""
    with np.load(path) as found:
        arrays: dict[str, Any] = {name: found[name] for name in found.files}
    name = sorted(arrays)[int(rng.integers(len(arrays)))]
    value = arrays[name]
    change = int(rng.integers(6))
    if change == 0:
        del arrays[name]
    elif change == 1:
        arrays[name] = np.full(value.shape, np.nan)
    elif change == 2:
        arrays[name] = value.astype(str)
    elif change == 3:
        arrays[name] = value[:-1] if value.ndim else np.zeros(3)
    elif change == 4:
        arrays[name] = np.array([object()], dtype=object)
    else:
        arrays[name] = value[None]
    np.savez(path, **arrays)
    said = ("gone", "NaN", "text", "shorter", "an object", "of one more axis")
    return f"array {name} {said[change]}"


def other_state(rng: Generator, path: Path) -> str:
    """A file of tensors that holds something else."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    change = int(rng.integers(4))
    if change == 0:
        torch.save([1, 2], path)
    elif change == 1:
        torch.save({}, path)
    elif change == 2 and isinstance(state, dict):
        name = sorted(state)[int(rng.integers(len(state)))]
        torch.save({k: v for k, v in state.items() if k != name}, path)
        return f"without {name}"
    else:
        torch.save(torch.ones(3), path)
    return f"tensors of kind {change}"


BY_ENDING: dict[str, tuple[Damage, ...]] = {
    ".json": (other_value, other_value, other_value, other_text, other_text, no_utf8),
    ".jsonl": (other_value, other_value, other_text, no_utf8, lines_mixed),
    ".yaml": (other_text, no_utf8, lines_mixed),
    ".txt": (other_text, no_utf8, lines_mixed),
    ".csv": (other_text, other_text, no_utf8, lines_mixed),
    ".npz": (other_arrays,) * 5,
    ".pth": (other_state,) * 3,
}


def damaged(rng: Generator, path: Path, others: Sequence[Path], *, pipes: bool = True) -> str:
    """Damage a file in one way that its ending allows.

    Args:
        rng: draws.
        path: the file.
        others: files of the same kind, of which one may take its place.
        pipes: whether a pipe may.

    Returns:
        What was done, in words.
    """
    ways = (*(way for way in RAW if pipes or way is not pipe), *BY_ENDING.get(path.suffix, ()))
    number = int(rng.integers(len(ways) + 1))
    if number == len(ways):
        other = others[int(rng.integers(len(others)))]
        path.write_bytes(other.read_bytes())
        return f"swapped for {other.name}"
    return ways[number](rng, path)
