"""A grid as text, Markdown and LaTeX."""

from usb_ext.papers.grid import Grid, as_latex, as_markdown, as_text

GRID = Grid(
    "A table, 100%",
    [("", "method"), ("10 labels", "paper"), ("10 labels", "ours")],
    [["FixMatch", "66.50±15.1", "7.00±0.1 (n=3) [1]"], ["A|B_c", "1.00", ""]],
    ["[1] lr 1 (paper: 2)"],
)


def test_text_is_aligned() -> None:
    assert as_text(GRID) == (
        "A table, 100%\n"
        "\n"
        "           10 labels           10 labels\n"
        "method         paper                ours\n"
        "----------------------------------------\n"
        "FixMatch  66.50±15.1  7.00±0.1 (n=3) [1]\n"
        "A|B_c           1.00\n"
        "\n"
        "[1] lr 1 (paper: 2)"
    )


def test_markdown_has_one_header_line_and_no_stray_bars() -> None:
    lines = as_markdown(GRID).splitlines()
    assert lines[2] == "| method | 10 labels paper | 10 labels ours |"
    assert lines[3] == "| --- | ---: | ---: |"
    assert lines[5] == r"| A\|B_c | 1.00 |  |"
    assert lines[-1] == "[1] lr 1 (paper: 2)"


def test_latex_is_escaped_and_its_notes_are_comments() -> None:
    lines = as_latex(GRID).splitlines()
    assert lines[0] == "% A table, 100%"
    assert lines[1] == r"\begin{tabular}{lrr}"
    assert r"FixMatch & 66.50$\pm$15.1 & 7.00$\pm$0.1 (n=3) [1] \\" in lines
    assert r"A|B\_c & 1.00 &  \\" in lines
    assert lines[-2:] == [r"\end{tabular}", "% [1] lr 1 (paper: 2)"]


def test_without_notes_nothing_stands_below() -> None:
    bare = Grid("t", GRID.header, GRID.body, [])
    assert as_text(bare).splitlines()[-1].startswith("A|B_c")
    assert as_latex(bare).splitlines()[-1] == r"\end{tabular}"
