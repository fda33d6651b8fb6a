"""Text in LaTeX: each special sign by hand, and what stays as it is."""

import pytest

from usb_ext.core.tex import tex_escaped, tex_row


@pytest.mark.parametrize(
    ("plain", "wanted"),
    [
        ("a_b & 5% of $3 #1 {x}", r"a\_b \& 5\% of \$3 \#1 \{x\}"),
        ("\\alpha", r"\textbackslash{}alpha"),
        ("~x^2", r"\textasciitilde{}x\textasciicircum{}2"),
        ("66.50±15.1", r"66.50$\pm$15.1"),
        ("p < 0.05 > q", "p $<$ 0.05 $>$ q"),
        ("A|B (n=3) [1]", "A|B (n=3) [1]"),
    ],
)
def test_signs(plain: str, wanted: str) -> None:
    assert tex_escaped(plain) == wanted


def test_a_row_keeps_its_cells_apart() -> None:
    assert tex_row(["a&b", "", "c"]) == r"a\&b &  & c \\"
