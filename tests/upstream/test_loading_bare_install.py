"""Loading the real semilearn in a process that lacks, or breaks, half of what USB imports."""

import subprocess
import sys
import textwrap
from pathlib import Path

ALONE = """
    import sys
    class Refuse:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("aim", "wandb", "transformers", "timm", "progress"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    sys.meta_path.insert(0, Refuse())

    from usb_ext.upstream.loading import load_semilearn
    from usb_ext.upstream.stand_ins import MissingDependency, bridged
    load_semilearn()
    assert not {"aim", "wandb", "torchaudio", "skimage", "transformers", "timm"} & set(sys.modules)
    assert bridged()["skimage"] == bridged()["torchaudio"] == "deferred"

    from types import SimpleNamespace
    from semilearn.core.hooks import AimHook
    from semilearn.datasets.audio_datasets.datasetbase import WaveformTransforms
    from semilearn.datasets.collactors import get_bert_base_cased_collactor
    from semilearn.datasets.cv_datasets import medmnist
    from semilearn.nets import bert_base_cased, vit_tiny_patch2_32
    import numpy
    run = SimpleNamespace(save_name="a", save_dir=sys.argv[1])
    run.args = SimpleNamespace(save_name="a", save_dir=sys.argv[1])
    for package, use in {
        "aim": lambda: AimHook().before_run(run),
        "torchaudio": lambda: WaveformTransforms()(numpy.zeros(9)),
        "transformers": bert_base_cased,
        "transformers ": get_bert_base_cased_collactor,
        "timm": vit_tiny_patch2_32,
    }.items():
        try:
            use()
        except MissingDependency as error:
            assert error.name == package.strip() and "pip install" in str(error), error
        else:
            raise SystemExit(f"{package} was not missed")
    assert "built for another CUDA" in bridged()["torchaudio"]
    assert medmnist.skimage_montage([2]) == "montage of [2]"
"""


def test_usb_loads_in_silence_where_half_of_its_imports_fail(tmp_path: Path) -> None:
    (tmp_path / "torchaudio").mkdir()
    (tmp_path / "skimage").mkdir()
    broken = "import torchaudio.inner\nraise RuntimeError('built for another CUDA')"
    (tmp_path / "torchaudio" / "__init__.py").write_text(broken)
    (tmp_path / "torchaudio" / "inner.py").write_text("")
    (tmp_path / "skimage" / "__init__.py").write_text("")
    montage = "def montage(images): return f'montage of {images}'"
    (tmp_path / "skimage" / "util.py").write_text(montage)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{textwrap.dedent(ALONE)}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
