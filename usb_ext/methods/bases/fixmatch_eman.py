"""AveragedTeacherHook: a second network that follows the trained one, batch norm and all (EMAN).

EMAN (Cai et al., CVPR 2021) averages not the weights alone but also batch norm's running mean and
variance: teacher <- m teacher + (1 - m) student after every optimizer step, m = 0.999. The teacher is
always in evaluation mode, so one image's label does not depend on the others of its batch. AS3L's Table 4
trains with it (FixMatch-EMAN).

FixMatch-EMAN as a base: pseudo-labels from an averaged teacher (Cai et al., 2021; AS3L, Table 4).

USB has no such algorithm. A FixMatch whose weak views go through a second network, the running average
of the trained one (the hook below); the trained one sees labelled and strong views only.
"""

import copy

import torch
from torch import nn

from usb_ext.engine.hooks.average import lerp_into
from usb_ext.methods.step.base import BaseRule
from usb_ext.methods.step.running import RunningStep
from usb_ext.methods.step.views import Inputs, Teacher
from usb_ext.upstream.usb import Hook


class AveragedTeacherHook(Hook):
    """Owns the teacher: weights, and batch-norm statistics averaged with the same momentum.

    Counters (whole numbers, such as batch norm's number of batches) are copied. The teacher is apart
    from `ema_model`, which is evaluated and whose statistics are copied, as in USB.

    Across processes: each process keeps its own teacher. Weights are equal in all of them, so the
    teachers' are too; statistics are as equal as the student's (the same with synchronised batch norm).

    Args:
        momentum: m in [0, 1]; 0 makes the teacher the student itself in evaluation mode.
    """

    def __init__(self, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.network: nn.Module = nn.Identity()
        self.started = False

    def before_run(self, algorithm: RunningStep) -> None:
        """Start at the network; a restored checkpoint overwrites it afterwards."""
        like = next(algorithm.model.parameters())
        self.network = copy.deepcopy(algorithm.ema_model).to(like.device, like.dtype)
        self.started = True
        self.network.load_state_dict(algorithm.model.state_dict())
        self.network.eval().requires_grad_(False)

    @torch.no_grad()
    def outputs(self, algorithm: RunningStep, x: Inputs) -> dict[str, torch.Tensor]:
        """What the teacher says of weak views; it starts here where nothing called `before_run`.

        Args:
            algorithm: the running algorithm.
            x: (U, 3, H, W) weak views, or a dict of tensors.

        Returns:
            `logits` (U, C) and `feat` (U, d), without a graph.
        """
        if not self.started:
            self.before_run(algorithm)
        found: dict[str, torch.Tensor] = self.network(x)
        return found

    def after_train_step(self, algorithm: RunningStep) -> None:
        """Follow the network, after its optimizer step."""
        teacher, student = self.network.state_dict(), algorithm.model.state_dict()
        for floating, momentum in ((True, self.momentum), (False, 0.0)):
            names = [n for n, v in teacher.items() if v.is_floating_point() is floating]
            lerp_into([teacher[n] for n in names], [student[n] for n in names], momentum)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The teacher's weights and statistics."""
        return dict(self.network.state_dict())

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Take back what `state_dict` gave, tensors of the network's shapes; `before_run` has made it."""
        self.network.load_state_dict(state)


TEACHER = "TeacherHook"


class FixMatchEMANRule(BaseRule):
    """FixMatch with a teacher; threshold 0.7, momentum 0.999 and lambda_u 10 as in EMAN's code.

    lambda_u is the setting `ulb_loss_ratio`, whose default for this base its declaration says.
    """

    def hooks(self, algorithm: RunningStep) -> list[tuple[Hook, str]]:
        """FixMatch's and the one with the teacher."""
        teacher = AveragedTeacherHook(algorithm.args.eman_m)
        return [*super().hooks(algorithm), (teacher, TEACHER)]

    def teacher(self, algorithm: RunningStep) -> Teacher:
        """The teacher, from weak views (U, ...) to `{"logits": (U, C), "feat": (U, d)}`."""
        return lambda x: algorithm.call_hook("outputs", TEACHER, x=x)
