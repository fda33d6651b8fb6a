"""Settings of the network, named as in USB."""

from typing import ClassVar

from pydantic import Field

from usb_ext.config.kinds import Text
from usb_ext.settings.group import SettingsGroup


class NetworkSettings(SettingsGroup):
    """Which network, and which weights it starts from.

    A network of USB takes `only_fc` and `only_feat` and returns `{"logits", "feat"}`; one of the
    user's own, named by module and function, must do the same.
    """

    heading: ClassVar[str] = "Network"

    net: Text = Field(
        default="wrn_28_2",
        description="Network: a name of USB's (wrn_28_2, wrn_28_8, wrn_var_37_2, resnet50, "
        "vit_small_patch2_32, bert_base_uncased, ...), wrn_10_1, or your own as "
        "package.module:function.",
    )
    net_from_name: bool = Field(
        default=False,
        description="USB's switch for torchvision's networks; only False works, there as here.",
    )
    use_pretrain: bool = Field(
        default=False, description="Start from the weights at pretrain_path."
    )
    pretrain_path: str | None = Field(
        default=None,
        description="File or URL of the weights; USB writes '' for None.",
    )
