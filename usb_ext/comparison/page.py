"""The report as a page of text: tables, and below them what a number needs to be believed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from usb_ext.comparison.study_tables import overview_table, steps_table, time_table
from usb_ext.comparison.tables import TITLES, Table, collapsed_table, fold_table, left_out_table
from usb_ext.comparison.write_text import latex, markdown


def tables(report: Mapping[str, Any], metrics: Sequence[str]) -> Iterator[Table]:
    """The tables in order: over label counts, by fold, collapse, time, what is left out.

    Args:
        report: from `report.make_report`.
        metrics: whose tables, the leading one first.
    """
    parts = report["comparisons"]
    if len(parts) > 1:
        for metric in metrics:
            yield overview_table(parts, metric)
            yield steps_table(report["monotonicity"], metric)
    for part in parts:
        if part["folds"]:
            yield from (fold_table(part, metric) for metric in metrics)
            if _collapsed(part, report["runs"]):
                yield collapsed_table(part, report["runs"])
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
        f"data: {_list(env['dataset'])}; steps a run: {_list(env['iterations'])}",
        f"measured on: {_list(env['measured_on'])}",
        f"{env['runs']} runs, {mean:.1f} seconds a run on average; hardware: {_list(env['hardware'])}",
        f"versions: {versions or 'none'}; tested with scipy {env['scipy']}",
        f"commit: {_list(env['commit'])}",
        "gain: error of the first method minus the method's own on the same fold, in percentage "
        "points; std divides by n - 1; p: Wilcoxon's signed-rank test of the gains, not corrected "
        "for the number of comparisons",
    ]
    if report["metric"] == "best":
        lines.append(
            "the best checkpoint is chosen in hindsight; the last one is the honest figure"
        )
    return lines


def _folds(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for part in parts:
        names = ", ".join(fold["name"] for fold in part["folds"]) or "none"
        absent = f"; without any usable run: {', '.join(part['absent'])}" if part["absent"] else ""
        n = len(part["folds"])
        yield f"{part['num_labels']} labels: n = {n} folds a method, seeds {names}{absent}"


def _methods(methods: Mapping[str, Any]) -> Iterator[str]:
    """What a label stands for, where it does not say so itself."""
    for label, method in methods.items():
        settings = ", ".join(f"{k} {v}" for k, v in method["settings"].items())
        if settings or label != method["algorithm"]:
            yield f"method {label}: {method['algorithm']}{' with ' if settings else ''}{settings}"


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
