"""Tables as Markdown and as LaTeX (booktabs)."""

from collections.abc import Sequence

from usb_ext.comparison.tables import Table
from usb_ext.core.tex import tex_escaped, tex_row


def markdown(table: Table) -> str:
    """A table with its title above and its note below."""
    lines = [f"**{table.title}**", "", _row(table.header)]
    lines.append("|" + "---|" * len(table.header))
    lines += [_row(row) for row in table.rows]
    if table.note:
        lines += ["", table.note]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def latex(table: Table) -> str:
    """The same as a floating table; it needs the package booktabs."""
    columns = "l" + "r" * (len(table.header) - 1)
    lines = ["\\begin{table}", "\\centering", f"\\caption{{{tex_escaped(table.title)}}}"]
    lines += [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", tex_row(table.header), "\\midrule"]
    for number, row in enumerate(table.rows):
        if number and number == table.rule_after:
            lines.append("\\midrule")
        lines.append(tex_row(row))
    lines += ["\\bottomrule", "\\end{tabular}"]
    if table.note:
        lines += ["", f"{{\\footnotesize {tex_escaped(table.note)}}}"]
    return "\n".join([*lines, "\\end{table}"]) + "\n"
