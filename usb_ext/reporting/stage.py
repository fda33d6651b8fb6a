"""`usb-ext report`: one HTML file of a run or of a comparison."""

from dataclasses import dataclass
from pathlib import Path

from usb_ext.core.errors import SettingsError
from usb_ext.core.files import write_text
from usb_ext.core.outputs import check_new, claim_outputs
from usb_ext.inference.predict import BATCH_SIZE
from usb_ext.reporting.comparison_page import NAME, comparison_page
from usb_ext.reporting.page import Page, html
from usb_ext.reporting.run_facts import MOST, Sources, run_facts
from usb_ext.reporting.run_page import run_page


@dataclass(frozen=True)
class ReportOrder:
    """What is to be reported.

    Attributes:
        place: folder of a run, or of a comparison.
        out: the HTML file.
        images: folder `<class>/*` to measure a run on; None for its own evaluation split.
        most: images in each gallery.
        device: where the network goes.
        batch_size: images at once.
        overwrite: a file of ours in that place is replaced.
        plugin: the run's, where it does not lie where it lay.
    """

    place: Path
    out: Path
    images: Path | None = None
    most: int = MOST
    device: str = "auto"
    batch_size: int = BATCH_SIZE
    overwrite: bool = False
    plugin: str | None = None


def write_report(order: ReportOrder) -> list[str]:
    """Write the page.

    Returns:
        Lines to show.

    Raises:
        DataMissing: no run and no comparison there, or images that cannot be used.
        SettingsError: a file that may not be written, or images of classes that the run does not know.
    """
    check_new(order.out.parent, [order.out.name], overwrite=order.overwrite)
    page = _page(order)
    text = html(page)
    claim_outputs(order.out.parent, [order.out.name])
    write_text(order.out, text)
    size = order.out.stat().st_size / 2**20
    notes = [f"not known: {line}" for line in page.unknown]
    return [f"{order.out}: {size:.1f} MiB, {page.title}", *notes]


def _page(order: ReportOrder) -> Page:
    place = order.place.parent if order.place.name == NAME else order.place
    if (place / NAME).is_file():
        if order.images is not None:
            raise SettingsError(
                "--images is for the report of a run; leave it out for a comparison"
            )
        return comparison_page(place)
    sources = Sources(place, order.images, order.most, order.device, order.batch_size, order.plugin)
    return run_page(run_facts(sources), order.most)
