"""A feature's folder: what is read of it, where it goes, what is refused."""

from pathlib import Path

import pytest
from support.patches import PATCHES

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.patching.feature import REGISTRY, Feature, read_features, write_feature

TOML = """
set = "I"
order = {order}
breaking = "none."
changelog = "Adds {name}."
subject = "Add {name}"
body = "What: it."

[[take]]
module = "methods/smooth/weight.py"
"""
LIST = "ALL = [('semilearn.algorithms', ['a',\n   'b']), ('semilearn.imb_algorithms', ['c'])]\n"


def folder(root: Path, name: str, order: int) -> Path:
    place = root / name
    place.mkdir(parents=True)
    (place / "feature.toml").write_text(TOML.format(name=name, order=order))
    (place / f"{name}.py").write_text("pass\n")
    (place / f"{name}_digits.yaml").write_text("lr: 1\n")
    return place


def test_a_folder_becomes_usb_s_layout(tmp_path: Path) -> None:
    folder(tmp_path, "second", 2)
    folder(tmp_path, "first", 1)
    first, second = read_features(tmp_path)
    assert (first.name, second.name) == ("first", "second")
    assert first.message == "Add first\n\nWhat: it.\n"
    assert set(first.files) == {
        "semilearn/algorithms/first/utils.py",
        "semilearn/algorithms/first/first.py",
        "config/usb_cv/first/first_digits.yaml",
    }
    assert "def smooth_weight(" in first.files["semilearn/algorithms/first/utils.py"]


def test_writing_registers_the_algorithm_at_the_end_of_the_list(tmp_path: Path) -> None:
    registry = tmp_path / REGISTRY
    registry.parent.mkdir(parents=True)
    registry.write_text(LIST)
    write_feature(Feature("new", 1, "", {"semilearn/algorithms/new/new.py": "x\n"}), tmp_path)
    assert registry.read_text() == LIST.replace("'b']", "'b', 'new']")
    assert (tmp_path / "semilearn/algorithms/new/new.py").read_text() == "x\n"


def test_another_registry_is_refused(tmp_path: Path) -> None:
    registry = tmp_path / REGISTRY
    registry.parent.mkdir(parents=True)
    registry.write_text("ALL = []\n")
    with pytest.raises(RunFailed, match="no list of algorithms to put new into"):
        write_feature(Feature("new", 1, "", {}), tmp_path)


@pytest.mark.parametrize("text", ["order = ", "order = 1\n", 'subject = "x"\n'])
def test_an_unusable_description_is_one_line(tmp_path: Path, text: str) -> None:
    place = folder(tmp_path, "bad", 1)
    (place / "feature.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"bad/feature\.toml cannot be used: ."):
        read_features(tmp_path)


def test_the_features_here_are_in_an_order_of_their_own() -> None:
    features = read_features(PATCHES / "features")
    assert [feature.order for feature in features] == list(range(1, len(features) + 1))
