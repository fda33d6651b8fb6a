"""Text in a LaTeX table: signs that mean something to TeX, and rows."""

from collections.abc import Sequence

_SPECIAL = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": r"$<$",
    ">": r"$>$",
}


def tex_escaped(text: str) -> str:
    """The text as LaTeX prints it."""
    return "".join(_SPECIAL.get(sign, sign) for sign in text)


def tex_row(cells: Sequence[str]) -> str:
    """A line of a `tabular` out of plain texts."""
    return " & ".join(map(tex_escaped, cells)) + r" \\"
