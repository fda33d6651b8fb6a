"""The declarations: what goes together, and agreement with the classes they name and with USB."""

import ast
from pathlib import Path

import pytest

import usb_ext
from usb_ext.settings import algorithms
from usb_ext.settings.algorithms import ALGORITHMS, BASES, EXTENSIONS


def test_who_can_carry_what() -> None:
    assert len(BASES) == 10
    influence = {"influence", "influence_uda", "influence_fixmatch", "influence_pseudolabel"}
    ours = {"layermatch", "weak_strong", "smoothfixmatch", "smoothpseudolabel", "as3l", "selfmatch"}
    assert set(algorithms.carriers()) == {*BASES, *ours, *influence}
    assert {one.base for one in ALGORITHMS.values()} <= set(BASES)
    assert all(set(one.extensions) <= set(EXTENSIONS) for one in ALGORITHMS.values())
    assert {n for n, base in BASES.items() if not base.in_usb} == {"fixmatch_eman", "instant"}


def test_parts_are_the_declared_and_the_asked_for() -> None:
    parts_of = algorithms.parts_of
    assert parts_of("layermatch", ()) == ("grad_relu", "avg_clustering")
    assert parts_of("layermatch", ("grad_relu",)) == ("grad_relu", "avg_clustering")
    assert parts_of("fixmatch", ("avg_clustering",)) == ("avg_clustering",)
    assert parts_of("comatch", ()) == ()


def test_one_view_is_served_as_usb_serves_pseudo_label() -> None:
    served = {name: algorithms.served_as(name) for name in algorithms.carriers()}
    changed = {name: as_ for name, as_ in served.items() if as_ != name}
    assert changed == dict.fromkeys(("smoothpseudolabel", "influence_pseudolabel"), "pseudolabel")


def test_every_name_is_a_line_of_help_with_its_paper() -> None:
    for table in (BASES, EXTENSIONS, ALGORITHMS):
        for name, declared in table.items():
            assert declared.name == name and "\n" not in declared.help
            assert declared.paper or name == "weak_strong"


def test_options_are_settings() -> None:
    from usb_ext.settings import Settings

    for declared in (*BASES.values(), *ALGORITHMS.values()):
        assert set(declared.options) <= set(Settings.model_fields), declared.name
        assert all(Settings.model_fields[name].default is None for name in declared.options)


@pytest.mark.parametrize("name", [name for name, base in BASES.items() if base.in_usb])
def test_options_of_a_base_are_usbs(name: str) -> None:
    """USB's own class declares the same options with the same defaults."""
    from usb_ext.methods.named import register
    from usb_ext.upstream.usb import ALGORITHMS as REGISTERED

    register()
    theirs = {a.name.lstrip("-"): a.default for a in REGISTERED[name].get_argument()}
    ours = dict(BASES[name].options)
    assert ours == {option: theirs[option] for option in ours}
    assert set(theirs) - set(ours) <= {"dist_align", "p_cutoff", "T", "hard_label", "ema_p"}


def test_the_names_are_those_of_the_classes() -> None:
    from usb_ext.methods.named import NAMED
    from usb_ext.methods.step.registry import EXTENSIONS as MADE
    from usb_ext.methods.step.registry import RULES

    assert list(RULES) == list(BASES) and list(MADE) == list(EXTENSIONS)
    for name, rule in RULES.items():
        assert (rule.name, rule.options) == (name, BASES[name].options)
        assert (rule.has_threshold, rule.one_view) == (
            BASES[name].has_threshold,
            BASES[name].one_view,
        )
    assert [MADE[name].name for name in MADE] == list(EXTENSIONS)
    assert list(NAMED) == list(ALGORITHMS)
    assert all(made.declared is ALGORITHMS[name] for name, made in NAMED.items())


def test_a_base_is_one_file_and_one_declaration() -> None:
    """No module but other bases imports a base's file, and each file of `bases/` is declared."""
    package = Path(usb_ext.__file__).parent
    importing = set()
    for path in package.rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        modules = [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
        if any(module.startswith("usb_ext.methods.bases.") for module in modules):
            importing.add(path.parent.relative_to(package).as_posix())
    assert importing <= {"methods/bases"}
    files = {p.stem for p in (package / "methods" / "bases").glob("*.py")} - {"__init__"}
    declared = {base.where.partition(":")[0] for base in BASES.values()}
    assert declared == {"step.base", *(f"bases.{name}" for name in files)}
