"""The pages of the API, by pdoc: `python .ci/render_docs.py FOLDER`. A warning of pdoc's is an error.

Every module is rendered, also those that their package's `__all__` does not name.
"""

import importlib
import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc.doc
import pdoc.render

import usb_ext


def main(folder: Path) -> None:
    """Write one page a module, and an index."""
    found = pkgutil.walk_packages(usb_ext.__path__, "usb_ext.")
    names = ["usb_ext", *(m.name for m in found if m.name != "usb_ext.__main__")]
    modules = {name: pdoc.doc.Module(importlib.import_module(name)) for name in names}
    pdoc.render.configure(docformat="google")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pages = {name: pdoc.render.html_module(module, modules) for name, module in modules.items()}
        pages["index"] = pdoc.render.html_index(modules)
    for name, page in pages.items():
        path = folder / (name.replace(".", "/") + ".html")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
