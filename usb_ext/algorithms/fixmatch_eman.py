"""FixMatch-EMAN as a base: pseudo-labels from an averaged teacher (Cai et al., 2021; AS3L, Table 4).

USB has no such algorithm. A FixMatch whose weak views go through a second network, the running average
of the trained one (`hooks/averaged_teacher.py`); the trained one sees labelled and strong views only.
"""

from typing import Any

from usb_ext.methods.bases.fixmatch_eman import AveragedTeacherHook
from usb_ext.methods.step.base import BaseRule
from usb_ext.upstream.usb import Hook, SSL_Argument

TEACHER = "TeacherHook"


class FixMatchEMANRule(BaseRule):
    """FixMatch with a teacher; threshold 0.7, momentum 0.999 and lambda_u 10 as in EMAN's code.

    lambda_u is the setting `ulb_loss_ratio`, whose default for this base stands in `config/names.py`.
    """

    name = "fixmatch_eman"

    def arguments(self) -> list[Any]:
        """FixMatch's with its threshold lowered, and the teacher's momentum."""
        own = super().arguments()
        for argument in own:
            if argument.name == "--p_cutoff":
                argument.default = 0.7
        return [*own, SSL_Argument("--eman_m", float, 0.999)]

    def hooks(self, algorithm: Any) -> list[tuple[Hook, str]]:
        """FixMatch's and the one with the teacher."""
        teacher = AveragedTeacherHook(algorithm.args.eman_m)
        return [*super().hooks(algorithm), (teacher, TEACHER)]

    def teacher(self, algorithm: Any) -> Any:
        """The teacher, from weak views (U, ...) to `{"logits": (U, C), "feat": (U, d)}`."""
        return lambda x: algorithm.call_hook("outputs", TEACHER, x=x)
