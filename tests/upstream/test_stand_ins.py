"""What is raised and reported where an optional package is absent, or present and broken."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from support.fake_package import WORKS, bind

from usb_ext.core.errors import UsbExtError
from usb_ext.upstream import stand_ins
from usb_ext.upstream.loading import deferred_imports
from usb_ext.upstream.stand_ins import MissingDependency, bridged


@pytest.mark.parametrize(
    "use",
    [
        lambda bound: bound["usbfake"].Run,
        lambda bound: bound["usbfake"].__version__,
        lambda bound: bound["Model"](),
        lambda bound: bound["Model"].from_pretrained("bert"),
        lambda bound: isinstance(3, bound["Model"]),
        lambda bound: type(bound["Model"])("usbfake", "Model")(),
        lambda bound: exec("class Mine(Model): pass", bound),
        lambda bound: bound["Far"].near,
    ],
)
def test_every_use_of_an_absent_package_names_it_and_the_remedy(package: Any, use: Any) -> None:
    bound = bind()
    with pytest.raises(MissingDependency) as caught:
        use(bound)
    assert isinstance(caught.value, UsbExtError) and isinstance(caught.value, ImportError)
    assert caught.value.exit_code == 3 and caught.value.name == "usbfake"
    assert str(caught.value) == (
        "FakeHook in USB needs usbfake, which cannot be imported"
        " (ModuleNotFoundError: not installed): pip install --upgrade usb-fake"
    )
    assert bridged()["usbfake"] == "stand-in: not installed"


@pytest.mark.parametrize(
    "error", ["RuntimeError", "OSError", "ImportError", "AttributeError", "ValueError"]
)
def test_a_broken_package_tells_its_reason_and_leaves_no_half(package: Any, error: str) -> None:
    package("", "inner.py")
    package(f"import usbfake.inner\nraise {error}('built for CUDA 13.0')")
    bound = bind()
    assert bridged()["usbfake"] == "deferred"
    with pytest.raises(MissingDependency, match=rf"usbfake.*{error}: built for CUDA 13.0"):
        bound["usbfake"].load()
    assert not [name for name in sys.modules if name.startswith("usbfake")]
    assert bridged()["usbfake"] == f"stand-in: {error}: built for CUDA 13.0"


def test_probing_tries_the_import_and_a_mended_package_works(package: Any) -> None:
    package("import nowhere_to_be_found")
    bound = bind()
    assert bridged(probe=True)["usbfake"].startswith("stand-in: ModuleNotFoundError")
    package(WORKS + "# mended, and of another length")
    assert bound["Model"]().size == 1
    assert bridged()["usbfake"] == "real"


def test_a_name_that_the_real_package_lacks(package: Any) -> None:
    package("")
    bound = bind()
    with pytest.raises(MissingDependency, match="usbfake.*AttributeError.*'Model'"):
        bound["Model"]()
    with pytest.raises(MissingDependency, match="usbfake.*usbfake.deep"):
        bound["Far"]()
    with pytest.raises(AttributeError, match="no attribute 'Run'"):
        bound["usbfake"].Run  # noqa: B018


def test_a_folder_without_code_is_not_the_package(package: Any) -> None:
    package("runs are kept here", "run.log")
    with pytest.raises(MissingDependency, match="not installed"):
        bind()["Model"]()


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_broken_torchaudio_does_not_take_transformers_with_it(
    package: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked_before: bool
) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] in ("transformers", "torchaudio")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("transformers", "torchaudio"):
        monkeypatch.setitem(stand_ins.OPTIONAL, name, ("text", name))
        (tmp_path / name).mkdir()
    (tmp_path / "torchaudio" / "__init__.py").write_text("raise RuntimeError('another CUDA')")
    (tmp_path / "transformers" / "__init__.py").write_text("")
    (tmp_path / "transformers" / "utils").mkdir()
    (tmp_path / "transformers" / "utils" / "__init__.py").write_text("")
    (tmp_path / "transformers" / "utils" / "import_utils.py").write_text(
        "from functools import cache\nfrom importlib.util import find_spec\n\n\n"
        "@cache\ndef is_torchaudio_available(): return find_spec('torchaudio') is not None\n"
    )
    takes_any = (
        "from transformers.utils.import_utils import is_torchaudio_available\n"
        "if is_torchaudio_available(): import torchaudio"
    )
    (tmp_path / "transformers" / "audio_utils.py").write_text(takes_any)
    text = "import transformers.audio_utils\nclass BertModel: pass"
    (tmp_path / "transformers" / "bert.py").write_text(text)
    importlib.invalidate_caches()
    bound: dict[str, Any] = {}
    if asked_before:  # as torchmetrics does when it is imported
        asked = importlib.import_module("transformers.utils.import_utils")
        assert asked.is_torchaudio_available()
        stand_ins.import_real("transformers")
        exec("from transformers.bert import BertModel", bound)
    else:
        with deferred_imports():
            exec("from transformers.bert import BertModel", bound)
    assert type(bound["BertModel"]()).__module__ == "transformers.bert"
    assert "torchaudio" not in sys.modules
    assert bridged()["torchaudio"] == "stand-in: RuntimeError: another CUDA"
    stand_ins.forget("transformers")
    stand_ins._failures.clear()


def test_the_reason_is_the_first_cause(package: Any) -> None:
    package(
        "try: 1 / 0\nexcept ZeroDivisionError as error: raise ImportError('see log') from error"
    )
    with pytest.raises(MissingDependency, match="ZeroDivisionError: division by zero"):
        bind()["Model"]()
