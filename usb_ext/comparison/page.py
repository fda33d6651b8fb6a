"""The report as a page of text: tables, and below them what a number needs to be believed.

Tables as Markdown and as LaTeX (booktabs).

The picture of a comparison: every run a point, every fold a line through the methods.

The files of a comparison: JSON, Markdown, LaTeX, CSV and the picture.

They hold no time stamps and depend on the runs alone, so that a second call writes the same bytes.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from usb_ext.comparison.more_tables import against_table, instability_table, pooled_table
from usb_ext.comparison.tables import (
    TITLES,
    Table,
    collapsed_table,
    fold_table,
    left_out_table,
    overview_table,
    steps_table,
    time_table,
)
from usb_ext.core.files import replace_file, write_json, write_text
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


def tables(report: Mapping[str, Any], metrics: Sequence[str]) -> Iterator[Table]:
    """The tables in order: over label counts, by fold, collapse, instability, time, what is left out.

    Args:
        report: from `report.make_report`, also of a version without Holm's, pooled gains and instability.
        metrics: whose tables, the leading one first.
    """
    parts = report["comparisons"]
    if len(parts) > 1:
        for metric in metrics:
            yield overview_table(parts, metric)
            if report.get("pooled", {}).get("metrics", {}).get(metric):
                yield pooled_table(report["pooled"], metric)
            yield steps_table(report["monotonicity"], metric)
    for part in parts:
        if part["folds"]:
            yield from (fold_table(part, metric) for metric in metrics)
            if _collapsed(part, report["runs"]):
                yield collapsed_table(part, report["runs"])
            if unstable := instability_table(part, report["runs"]):
                yield unstable
    if held := report.get("against"):
        yield from (against_table(held, part, m) for part in held["parts"] for m in metrics)
    yield from (time_table(part) for part in report["time_to"] if part["methods"])
    if report["left_out"]:
        yield left_out_table(report["left_out"])


def leading_first(metric: str) -> list[str]:
    """All metrics, that one first."""
    return [metric, *(other for other in TITLES if other != metric)]


def as_markdown(report: Mapping[str, Any], metrics: Sequence[str]) -> str:
    """The report as Markdown.

    Args:
        report: from `report.make_report`.
        metrics: whose tables it shows.
    """
    parts = [markdown(table) for table in tables(report, metrics)]
    facts = "\n".join(f"- {line}" for line in facts_of(report))
    return "\n".join(["# Comparison\n", *parts, "**How it was made**\n", facts]) + "\n"


def as_latex(report: Mapping[str, Any]) -> str:
    """All tables as LaTeX (booktabs), the facts as comments in front."""
    facts = "\n".join(f"% {line}" for line in facts_of(report))
    made = [latex(table) for table in tables(report, leading_first(report["metric"]))]
    return "\n".join([facts, "% needs \\usepackage{booktabs}", *made])


def facts_of(report: Mapping[str, Any]) -> list[str]:
    """Command, seeds, n, steps, hardware, versions, commit, seconds: a line each."""
    env = report["environment"]
    versions = ", ".join(f"{k} {' / '.join(v)}" for k, v in env["versions"].items())
    mean = env["seconds_in_all"] / env["runs"] if env["runs"] else 0.0
    lines = [
        f"command: {report['command']}",
        *_methods(report.get("methods", {})),
        *report.get("differing", ()),
        *_folds(report["comparisons"]),
        *(
            f"{part['num_labels']} labels: no run has a collapsed class"
            for part in report["comparisons"]
            if part["folds"] and not _collapsed(part, report["runs"])
        ),
        *_uncovered(report["runs"]),
        *_untimed(report["time_to"]),
        *_against(report.get("against")),
        f"data: {_list(env['dataset'])}; steps a run: {_list(env['iterations'])}",
        f"measured on: {_list(env['measured_on'])}",
        f"{env['runs']} runs, {mean:.1f} seconds a run on average; hardware: {_list(env['hardware'])}",
        f"versions: {versions or 'none'}; tested with scipy {env['scipy']}",
        f"commit: {_list(env['commit'])}",
        "gain: error of the first method minus the method's own on the same fold, in percentage "
        "points; std divides by n - 1; p: Wilcoxon's signed-rank test of the gains, not corrected "
        "for the number of comparisons",
        *_holm(report),
    ]
    if report["metric"] == "best":
        lines.append(
            "the best checkpoint is chosen in hindsight; the last one is the honest figure"
        )
    return lines


def _holm(report: Mapping[str, Any]) -> Iterator[str]:
    """For how many p-values the corrected ones are corrected, if any are."""
    gains = [
        values["gain"]
        for part in report["comparisons"]
        for values in part["metrics"].get(report["metric"], {}).values()
        if "gain" in values
    ]
    family = max((gain["test"].get("family", 0) for gain in gains), default=0)
    if family > 1 or (family and (len(report["comparisons"]) > 1 or report["against"])):
        yield (
            "p (Holm): corrected for all p-values of one question, metric and direction on this page "
            f"(gains over the first method: {family})"
        )


def _against(found: Mapping[str, Any] | None) -> Iterator[str]:
    """What each method's own runs are held against, and who has none there."""
    if found:
        yield f"against {found['name']}: {found['command']}"
    if found and found["missing"]:
        yield f"without a run on the same fold in {found['name']}: {', '.join(found['missing'])}"


def _folds(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for part in parts:
        names = ", ".join(fold["name"] for fold in part["folds"]) or "none"
        why = "; ".join(f"{name}: {said}" for name, said in part["absent"].items())
        absent = f"; without any usable run: {why}" if why else ""
        n = len(part["folds"])
        yield f"{part['num_labels']} labels: n = {n} folds a method, seeds {names}{absent}"


def _methods(methods: Mapping[str, Any]) -> Iterator[str]:
    """What a label stands for, where it does not say so itself, and whose settings its runs have."""
    for label, method in methods.items():
        settings = ", ".join(f"{k} {v}" for k, v in method["settings"].items())
        if settings or label != method["algorithm"]:
            yield f"method {label}: {method['algorithm']}{' with ' if settings else ''}{settings}"
        if recipe := method.get("recipe"):
            yield f"recipe of {label}: {recipe}"


def _collapsed(part: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any run of a label count that is counted has a collapsed class."""
    own = (run for run in runs if run["used"] and run["num_labels"] == part["num_labels"])
    return any(run["collapsed_classes"] for run in own)


def _uncovered(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Folds without a label of some class, which no method can learn (Sec. 4.5).

    Methods that choose the labelled images themselves (AS3L) are named where they cover other numbers.
    """
    folds: dict[str, dict[tuple[int, int], list[str]]] = {}
    for run in runs:
        if run["class_coverage"] is not None and run["classes"] is not None:
            fold = f"{run['num_labels']} labels of label seed {run['label_seed']}"
            found = folds.setdefault(fold, {})
            found.setdefault((run["class_coverage"], run["classes"]), []).append(run["method"])
    for fold, found in folds.items():
        for (covered, classes), methods in found.items():
            whose = f" ({', '.join(methods)})" if len(found) > 1 else ""
            if covered < classes:
                yield f"{fold} cover {covered} of {classes} classes{whose}"


def _untimed(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Label counts at which the method whose accuracy is the target has no run."""
    for part in parts:
        if not part["methods"]:
            yield f"{part['num_labels']} labels: no time to {part['target']}, it has no usable run"


def _list(values: Sequence[object]) -> str:
    return ", ".join(map(str, values)) or "none"


GREY = "0.65"


def draw(report: Mapping[str, Any], stem: Path) -> list[Path]:
    """`STEM.png` and `STEM.svg`, the same bytes for the same report.

    Args:
        report: from `report.make_report`; one panel for each label count with folds.
        stem: path without ending.

    Returns:
        The files written; none if there is nothing to draw.
    """
    metric = report["metric"]
    parts = [part for part in report["comparisons"] if part["folds"]]
    if not parts:
        return []
    width = sum(1.2 + 0.9 * len(part["methods"]) for part in parts)
    figure = Figure(figsize=(max(4.0, width), 4.2), layout="constrained")
    panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    for axes, part in zip(panels, parts, strict=True):
        _panel(axes, part, metric)
    panels[0].set_ylabel(f"error (%), {TITLES[metric]}")
    files = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    with rc_context({"svg.hashsalt": "usb_ext"}):
        replace_file(files[0], lambda part: figure.savefig(part, format="png", dpi=130))
        replace_file(files[1], lambda part: _svg(figure, part))
    return files


def _svg(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="svg", metadata={"Date": None})


def _panel(axes: Any, part: Mapping[str, Any], metric: str) -> None:
    """One label count: thin lines are folds, the thick one their mean."""
    by_method: Mapping[str, Any] = part["metrics"][metric]
    places = range(len(by_method))
    for number in range(len(part["folds"])):
        errors: Sequence[float] = [values["errors"][number] for values in by_method.values()]
        axes.plot(places, errors, color=GREY, linewidth=0.9, marker="o", markersize=3)
    means = [values["summary"]["mean"] for values in by_method.values()]
    axes.plot(places, means, color="C0", linewidth=2.2, marker="D", markersize=5, label="mean")
    axes.set_xticks(places, list(by_method), rotation=30, ha="right")
    axes.set_xlim(-0.4, len(by_method) - 0.6)
    axes.set_title(f"{part['num_labels']} labels, {len(part['folds'])} folds", fontsize="medium")
    axes.grid(axis="y", alpha=0.3)


def write_files(report: Mapping[str, Any], out: Path) -> None:
    """`compare.json`, `.md`, `.tex`, `.csv`, `.png` and `.svg` in a folder.

    Args:
        report: from `report.make_report`.
        out: the folder, which exists.
    """
    write_json(out / "compare.json", report)
    picture = draw(report, out / "compare")
    page = as_markdown(report, leading_first(report["metric"]))
    if picture:
        page += "\n![error by method, a line a fold](compare.png)\n"
    texts = {"md": page, "tex": as_latex(report), "csv": as_csv(report)}
    for ending, text in texts.items():
        write_text(out / f"compare.{ending}", text)


def as_csv(report: Mapping[str, Any]) -> str:
    """A row a run: its errors in percent, its gains over the first method, what it ran on.

    Gains stand where both runs of the fold are used; lists are joined by blanks, None is empty.
    """
    gains = _gains(report)
    rows = [{**run, **gains.get(_key(run), {})} for run in report["runs"]]
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = StringIO()
    writer = csv.DictWriter(stream, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()


def _gains(report: Mapping[str, Any]) -> dict[tuple[Any, ...], dict[str, float]]:
    """Per run its gain over the first method by each metric."""
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    for part in report["comparisons"]:
        for metric, methods in part["metrics"].items():
            for method, values in methods.items():
                for fold, gain in zip(part["folds"], _values(values), strict=False):
                    key = (method, part["num_labels"], fold["label_seed"], fold["seed"])
                    found.setdefault(key, {})[f"gain_{metric}"] = gain
    return found


def _values(values: Mapping[str, Any]) -> list[float]:
    return values["gain"]["values"] if "gain" in values else []


def _key(run: Mapping[str, Any]) -> tuple[Any, ...]:
    return run["method"], run["num_labels"], run["label_seed"], run["seed"]


def _cell(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value
