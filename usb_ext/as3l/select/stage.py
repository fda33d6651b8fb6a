"""The select stage: which images a person should label (AS3L, Sec. 4.4), and the picture of the choice."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from usb_ext.as3l.clustering.fine_tuning import CHOICE, Tuning, fine_features, scaled, stream
from usb_ext.as3l.inputs.feature_images import FeatureImages, images_of
from usb_ext.as3l.inputs.given_labels import AskedBefore, read_asked
from usb_ext.as3l.select.strategies import GIVEN, Selection, select, select_more
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import replace_file
from usb_ext.core.outputs import check_outputs, claim_outputs
from usb_ext.core.runtime import resolve_device
from usb_ext.data.feature_views import mean_of_weak_views
from usb_ext.data.features import Features, read_features, write_features
from usb_ext.data.fingerprint import write_fingerprint
from usb_ext.data.label_csv import write_labels
from usb_ext.data.label_files import Selected, write_selected
from usb_ext.plots.pictures import Tile, contact_sheet
from usb_ext.settings import Settings
from usb_ext.settings.as3l import TO_LABEL

MOST_TILES = 1000
MOST_DOTS = 5000


def draw_sheet(images: FeatureImages, found: Selection, path: Path) -> None:
    """The chosen images in their order, row by row, each with its place in the order.

    Args:
        images: the pictures.
        found: what was chosen; of more than 1,000 images the first 1,000 are drawn.
        path: PNG to write.
    """
    rows = found.positions[:MOST_TILES]
    columns = int(np.ceil(np.sqrt(len(rows) * 1.6)))
    tiles = [Tile(images.picture(int(r)), _caption(images, found, n)) for n, r in enumerate(rows)]
    contact_sheet(tiles, columns).save(path, format="PNG")


def _caption(images: FeatureImages, found: Selection, number: int) -> str:
    """Place in the order and id."""
    row = int(found.positions[number])
    name = str(row) if images.positions is None else str(images.positions[row])
    if images.files is not None:
        name = images.files[row].rsplit("/", 1)[-1]
    return f"{number}: {name}"


def draw_scatter(values: NDArray[np.float32], found: Selection, path: Path) -> None:
    """The chosen samples on the two main axes of the features, where there are no images to show.

    Args:
        values: (N, d) features; of more than 5,000 every so many-th is drawn.
        found: what was chosen.
        path: PNG to write.
    """
    places = two_main_axes(values)
    step = -(-len(places) // MOST_DOTS)
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.subplots()
    axes.plot(*places[::step].T, ".", ms=2, color="lightgray", label="all images")
    axes.plot(*places[found.positions].T, "o", ms=5, color="tab:red", label="chosen")
    if len(found.positions) <= 100:
        for number, place in enumerate(places[found.positions]):
            axes.annotate(str(number), place, fontsize=8)
    axes.set(xlabel="first main axis", ylabel="second main axis")
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=110, format="png")


def two_main_axes(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Features (N, d) on their two directions of largest variance: (N, 2); of one dimension, (x, 0)."""
    centred = values - values.mean(axis=0)
    _, directions = np.linalg.eigh(
        np.cov(centred.T, dtype=np.float64).reshape((values.shape[1],) * 2)
    )
    axes = directions[:, ::-1][:, :2]
    places = centred @ axes
    missing = 2 - places.shape[1]
    return np.pad(places, ((0, 0), (0, missing))).astype(np.float64)


OUTPUTS = ("data.json", "selected.json", "selected.png", "tuned.npz")


@dataclass(frozen=True)
class SelectOrder:
    """What is to be chosen, and how.

    Attributes:
        features: the features file.
        budget: labels to ask for.
        strategy: one of `settings.as3l.STRATEGIES`.
        seed: of every draw.
        out: folder for the results.
        tuning: how the features are prepared.
        device: of the linear layer, as in the setting `device`; of AS3L's clusterings where it is a GPU.
        usl: whose numbers `usl` takes, as `settings.as3l.usl_of` says.
        space: features that the strategy sees, as the setting `as3l_choose_on`.
        average_views: whether an image of a folder of `usb-ext features` stands for the mean of its plain and
            its weak views.
        given: a CSV `id,class` of images that were asked for before; None for none. The budget comes on top.
    """

    features: Path
    budget: int
    strategy: str = "as3l"
    seed: int = 0
    out: Path = Path(".")
    tuning: Tuning = field(default_factory=Tuning)
    device: str = "cpu"
    usl: str = "cifar10"
    space: str = "auto"
    average_views: bool = False
    given: Path | None = None

    @property
    def on_fine(self) -> bool:
        """Whether it sees fine-tuned features: by itself, `as3l` alone does."""
        return self.space == "fine" or (self.space == "auto" and self.strategy == "as3l")


def select_images(order: SelectOrder, settings: Settings | None) -> str:
    """Choose, and write `selected.json`, `selected.png` and, for `as3l`, `tuned.npz`.

    Where the classes of the chosen images are unknown, `to_label.csv` lists them for a person.

    Args:
        order: what to do.
        settings: the data set, for pictures and classes; None goes without.

    Returns:
        A few lines for a person.

    Raises:
        SettingsError: a budget outside 1 to N, or files that do not fit each other.
        DataMissing: features or images that are not there or cannot be used.
    """
    check_outputs(order.out, OUTPUTS)
    features = _read(order)
    before = _asked_before(order, features)
    _check_budget(order, len(features.values), before)
    images = images_of(features, order.features, settings)
    values = _values(order, features, before)
    found = _choose(order, values, images, before)
    claim_outputs(order.out, OUTPUTS)
    if images.data is not None:
        write_fingerprint(order.out, images.data)
    if order.on_fine and not features.tuned:
        write_features(order.out / "tuned.npz", replace(features, values=values, tuned=True))
    selected = _selected(order, features, images, found)
    picture = order.out / "selected.png"
    if images.pixels is None:
        replace_file(picture, lambda path: draw_scatter(values, found, path))
    else:
        replace_file(picture, lambda path: draw_sheet(images, found, path))
    to_label = _to_label(order, images, selected, found, features, before)
    write_selected(order.out / "selected.json", selected)
    return "\n".join([*_summary(order, images, found), *to_label])


def _read(order: SelectOrder) -> Features:
    found = read_features(order.features)
    if not order.average_views:
        return found
    if found.tuned:
        raise SettingsError(
            f"{order.features} holds fine-tuned features, which have no views; leave --average_views out"
        )
    return replace(found, values=mean_of_weak_views(order.features.parent))


def _asked_before(order: SelectOrder, features: Features) -> AskedBefore | None:
    """What stands in `order.given`.

    Raises:
        SettingsError: a strategy that does not add to what is given, lines that are wrong, or a file in the
            place of the one to write that is not the one given.
    """
    if order.given is None:
        return None
    if order.strategy not in GIVEN:
        raise SettingsError(
            f"strategy {order.strategy} chooses once and for all; with --given use {', '.join(GIVEN)}"
        )
    path = order.out / TO_LABEL
    if path.exists() and not path.samefile(order.given):
        raise SettingsError(
            f"{path} is there and is not the file that --given names; give that one, or another --out"
        )
    return read_asked(order.given, features.ids)


def _to_label(
    order: SelectOrder,
    images: FeatureImages,
    selected: Selected,
    found: Selection,
    features: Features,
    before: AskedBefore | None,
) -> list[str]:
    """`to_label.csv` for a person to fill in, where classes are unknown; one that is there is kept.

    With `order.given` the answers that are there come first, as they were written.
    """
    path = order.out / TO_LABEL
    old: list[tuple[object, str]] = []
    if before is not None:
        old = list(zip(features.ids[before.rows].tolist(), before.classes, strict=True))
    elif images.targets is not None and (images.targets[found.positions] >= 0).all():
        return []
    elif path.exists():
        return [f"{path} was there before and is kept"]
    write_labels(path, [*old, *((i, "") for i in selected.ids[len(old) :])])
    return [f"fill in the classes: {path}"]


def _check_budget(order: SelectOrder, count: int, before: AskedBefore | None) -> None:
    free = count - (0 if before is None else len(before.rows))
    if not 1 <= order.budget <= free:
        asked = "" if before is None else f", {count - free} of them given"
        raise SettingsError(
            f"budget is {order.budget}, but {order.features} holds {count} images{asked}; use 1 to {free}"
        )


def _values(
    order: SelectOrder, features: Features, before: AskedBefore | None
) -> NDArray[np.float32]:
    """The features that the strategy sees, (N, d): as given where they are fine-tuned already."""
    device = resolve_device(order.device)
    if features.tuned:
        return features.values
    if not order.on_fine:
        return scaled(features.values, order.tuning)
    count = order.budget + (0 if before is None else len(before.rows))
    return fine_features(features.values, count, order.seed, order.tuning, device)


def _choose(
    order: SelectOrder,
    values: NDArray[np.float32],
    images: FeatureImages,
    before: AskedBefore | None,
) -> Selection:
    """What is asked for, images that were given first; no strategy but `stratified` is shown the classes."""
    draws = stream(order.seed, CHOICE)
    if before is not None:
        new = select_more(order.strategy, values, before.rows, order.budget, draws)
        return Selection(
            np.concatenate([before.rows, new.positions]),
            np.concatenate([np.full(len(before.rows), -1), new.clusters]),
        )
    targets = None
    if order.strategy == "stratified":
        targets = images.targets
        known = 0 if targets is None else int((targets >= 0).sum())
        if known < order.budget:
            raise SettingsError(
                f"strategy stratified needs the classes of at least {order.budget} images, but {known} "
                "are known; use another strategy, or name the data set with --c or --dataset"
            )
    return select(
        order.strategy,
        values,
        order.budget,
        draws,
        runs=order.tuning.runs,
        targets=targets,
        points_per_center=order.tuning.points_per_center,
        usl=order.usl,
        device=resolve_device(order.device),
    )


def _selected(
    order: SelectOrder, features: Features, images: FeatureImages, found: Selection
) -> Selected:
    rows = found.positions.tolist()
    return Selected(
        ids=features.ids[found.positions].tolist(),
        cluster=found.clusters.tolist(),
        files=None if images.files is None else [images.files[row] for row in rows],
        strategy=order.strategy,
        seed=order.seed,
        dataset=images.dataset,
    )


def _summary(order: SelectOrder, images: FeatureImages, found: Selection) -> list[str]:
    beside = len(found.positions) - order.budget
    more = f" beside {beside} given ones" if beside else ""
    place = order.out / "selected.json"
    lines = [f"{order.budget} images chosen by {order.strategy}{more}: {place}"]
    if images.targets is not None and images.num_classes is not None:
        chosen = images.targets[found.positions]
        covered = len(np.unique(chosen[chosen >= 0]))
        unknown = f" ({int((chosen < 0).sum())} of unknown class)" if (chosen < 0).any() else ""
        lines.append(f"classes covered: {covered} of {images.num_classes}{unknown}")
    return lines
