"""Deferred objects before a small package on disk that works: what is bound, and what is left."""

import dataclasses
import sys
from typing import Any, Union

import pytest
from support.fake_package import WORKS, bind

from usb_ext.upstream import stand_ins
from usb_ext.upstream.loading import deferred_imports
from usb_ext.upstream.stand_ins import MissingDependency, bridged


def test_a_working_package_is_imported_at_first_use_and_not_hidden(package: Any) -> None:
    package(WORKS)
    bound = bind()
    assert bridged()["usbfake"] == "deferred"
    assert bound["collate"]([1, 2], times=3) == 9
    assert bridged()["usbfake"] == "real"

    import usbfake  # what user code gets

    assert type(usbfake) is not stand_ins.DeferredModule
    assert bound["usbfake"].Model is usbfake.Model
    model = bound["Model"].from_pretrained("bert")
    assert type(model) is usbfake.Model and model.size == 7 and usbfake.Model.loaded == "bert"
    assert isinstance(model, bound["Model"]) and not isinstance(3, bound["Model"])
    assert bound["Padding"].LONGEST is usbfake.Padding("longest") is bound["Padding"]("longest")


def test_a_deferred_class_can_be_subclassed_and_patched(package: Any) -> None:
    package(WORKS)
    bound = bind()

    class Mine(bound["Model"]):  # type: ignore[misc]
        pass

    import usbfake

    assert issubclass(Mine, usbfake.Model) and Mine(3).size == 3
    bound["Model"].from_pretrained = lambda name: "patched"
    assert bound["Model"].from_pretrained("bert") == "patched"


def test_annotations_and_probes_import_nothing(package: Any) -> None:
    package("raise SystemExit")
    bound = bind()
    padding = Union.__getitem__((bool, bound["Padding"]))
    made = dataclasses.make_dataclass(
        "Collator", [("model", bound["Model"]), ("padding", padding, True)]
    )
    assert made(model=1).padding is True
    assert not hasattr(bound["Model"], "__wrapped__") and not hasattr(bound["usbfake"], "__file__")
    assert repr(bound["Model"]).startswith("<usb_ext.upstream.stand_ins.DeferredName")
    assert "usbfake" not in sys.modules


def test_a_package_imported_before_is_left_as_it_is(package: Any) -> None:
    package(WORKS)
    import usbfake

    bound: dict[str, Any] = {}
    with deferred_imports():
        exec("import usbfake\nfrom usbfake import Model", bound)
    assert bound["usbfake"] is usbfake is sys.modules["usbfake"]
    assert bound["Model"] is usbfake.Model


def test_a_blocked_import_stays_blocked(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    package(WORKS)
    monkeypatch.setitem(sys.modules, "usbfake", None)  # type: ignore[arg-type]
    bound: dict[str, Any] = {}
    with deferred_imports():
        exec("from usbfake import Model", bound)
    assert sys.modules["usbfake"] is None
    with pytest.raises(MissingDependency):
        bound["Model"]()


def test_use_while_semilearn_is_imported_gives_the_real_package(package: Any) -> None:
    package(WORKS)
    with deferred_imports():
        from usbfake import Model

        assert Model(4).size == 4
        assert type(sys.modules["usbfake"]) is not stand_ins.DeferredModule
    assert "usbfake" in sys.modules


def test_an_error_inside_takes_the_finder_out(package: Any) -> None:
    finders = list(sys.meta_path)
    with pytest.raises(KeyError), deferred_imports():
        import usbfake  # noqa: F401

        raise KeyError
    assert sys.meta_path == finders and "usbfake" not in sys.modules


def test_a_module_that_moved_is_fetched_where_it_is_now(
    package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    package("")
    package("class Far: near = 'moved'", "now.py")
    monkeypatch.setitem(stand_ins.MOVED, "usbfake.deep.er", "usbfake.now")
    assert bind()["Far"].near == "moved"
