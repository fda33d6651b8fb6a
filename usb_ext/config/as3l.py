"""Settings of the stages between features and training (AS3L, Secs. 4.3 and 4.4), and of its report.

`usb-ext as3l` reads them; `usb-ext select` and `usb-ext propagate` have flags of the same meaning.
"""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from usb_ext.config.kinds import Count, Whole
from usb_ext.settings.group import SettingsGroup

TO_LABEL = "to_label.csv"
"""Beside a selection: its images, for a person to fill in their classes."""

AUTO = "auto"
"""For label_file, prior_file, pretrain_path and consistency_features: what `usb-ext as3l` makes."""


class AS3LSettings(SettingsGroup):
    """How labelled images are chosen, how labels spread, and what is watched in training."""

    heading: ClassVar[str] = "AS3L: choice, prior pseudo-labels, consistency (usb-ext as3l)"

    as3l_strategy: Literal["as3l", "random", "stratified", "kmedoids", "coreset", "usl"] = Field(
        default="as3l", description="How the num_labels images to label are chosen (Table 7)."
    )
    as3l_candidates: Literal["all", "known"] = Field(
        default="all",
        description="Which images may be chosen: all, or those whose class the data set knows (STL-10: "
        "5,000 of 105,000; the others nobody labels).",
    )
    as3l_name: str | None = Field(
        default=None,
        description="Name of the folder in save_dir for the choice and its prior pseudo-labels; None "
        "makes it, such as labels_digits_as3l_10_s0.",
    )
    as3l_runs: Count = Field(default=6, description="Runs of K-means (Sec. 5.1.2: C).")
    as3l_tune_epochs: Whole = Field(
        default=40, description="Epochs of feature fine-tuning (Eq. 6); 0 is none (Table 6)."
    )
    as3l_normalise: Literal["l2", "none"] = Field(
        default="l2", description="Whether features are scaled to length 1 first."
    )
    as3l_points_per_center: Count | None = Field(
        default=None, description="Images a center that K-means trains on; None is all."
    )
    as3l_labels: str | None = Field(
        default=None,
        description="CSV `id,class` that a person filled in for the chosen images; None takes the "
        "classes of the data set.",
    )
    as3l_method: Literal["seed_kmeans", "llgc"] = Field(
        default="seed_kmeans", description="How labels spread (Table 8)."
    )
    as3l_clusters: tuple[Count, ...] | None = Field(
        default=None,
        description="Clusters of each run of seed K-means (Table 9: K); None is 1 to 6 times the "
        "number of classes.",
    )
    as3l_seeding: Literal["split", "class"] = Field(
        default="split",
        description="Clusters with labels: as many as there are labels for, or one a class.",
    )
    as3l_normaliser: Literal["row", "runs"] = Field(
        default="row", description="Votes divided by their sum, or by the number of runs."
    )
    consistency_features: str | None = Field(
        default=None,
        description="Features file: at each evaluation, log how often an unlabelled image's "
        "pseudo-label is that of its nearest neighbours there (Sec. 3, Fig. 2).",
    )
    consistency_k: Count = Field(default=20, description="Neighbours of each image for that.")

    @field_validator("as3l_clusters", mode="before")
    @classmethod
    def _clusters_as_tuple(cls, value: object) -> object:
        """A YAML list; the model itself holds a tuple."""
        return tuple(value) if isinstance(value, list) else value
