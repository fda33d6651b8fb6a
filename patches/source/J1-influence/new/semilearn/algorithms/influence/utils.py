# Licensed under the MIT License.

import contextlib

import torch
import torch.nn.functional as F

EXACT_SIZE = 2048  # parameters of the layer up to which its Hessian is written down
CG_TOLERANCE = 1e-6  # relative residual at which conjugate gradients stop for a larger one
CG_ITERATIONS = 100  # where they stop in any case


def precision(device):
    """
    double precision, where the device has it: the systems are small, and so are the steps of the weights
    """
    return torch.float32 if device.type == "mps" else torch.float64


class HeadPass:
    """
    what the classification layer does on n examples, all of it in the given dtype

    features: its inputs (n, D), with a 1 for the bias
    probs: softmax of its logits (n, C)
    residual: gradient of each cross-entropy in the logits (n, C): m p - y, m the sum of the target y
    mass: m of each target (n,), 1 for a class
    loss: mean cross-entropy ()
    """

    @torch.no_grad()
    def __init__(self, algorithm, head, inputs, targets, dtype):
        seen = []
        handle = head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        try:
            with algorithm.amp_cm():
                logits = algorithm.model(inputs)["logits"].to(dtype)
        finally:
            handle.remove()
        features = seen[-1].to(dtype)
        self.features = features if head.bias is None else F.pad(features, (0, 1), value=1.0)
        if targets.ndim == 1:
            targets = F.one_hot(targets, logits.shape[-1])
        targets = targets.to(dtype)
        self.probs = torch.softmax(logits, dim=-1)
        self.mass = targets.sum(dim=-1)
        self.residual = self.probs * self.mass[:, None] - targets
        self.loss = F.cross_entropy(logits, targets)


class Curvature:
    """
    Hessian of a weighted sum of cross-entropies in a linear layer

    It is sum_i w_i (diag p_i - p_i p_i^T) kron h_i h_i^T + shift * I.

    Args:
        probs: p (n, C)
        features: h (n, D)
        weights: w (n,), at least 0
        shift: number above 0, added to the diagonal
    """

    def __init__(self, probs, features, weights, shift):
        self.probs, self.features, self.weights, self.shift = probs, features, weights, shift

    def product(self, vector):
        """
        the Hessian times vector, both (C, D)
        """
        moved = self.features @ vector.T
        centred = moved - (self.probs * moved).sum(dim=-1, keepdim=True)
        slopes = self.weights[:, None] * self.probs * centred
        return slopes.T @ self.features + self.shift * vector

    def matrix(self):
        """
        the Hessian (C * D, C * D)
        """
        num_classes, width = self.probs.shape[1], self.features.shape[1]
        matrix = self.features.new_zeros(num_classes, width, num_classes, width)
        for c in range(num_classes):
            rows = -self.probs[:, c : c + 1] * self.probs
            rows[:, c] += self.probs[:, c]
            spread = (self.weights[:, None] * rows)[:, :, None] * self.features[:, None, :]
            matrix[c] = (self.features.T @ spread.flatten(1)).view(width, num_classes, width)
        matrix = matrix.view(num_classes * width, num_classes * width)
        matrix.diagonal().add_(self.shift)
        return matrix

    def solve(self, right):
        """
        the inverse Hessian times right, both (C, D)
        """
        if right.numel() > EXACT_SIZE:
            return self.conjugate_gradients(right)
        factor = torch.linalg.cholesky(self.matrix())
        return torch.cholesky_solve(right.reshape(-1, 1), factor).reshape(right.shape)

    def conjugate_gradients(self, right):
        solved, residual = torch.zeros_like(right), right.clone()
        direction, square = residual, residual.square().sum()
        goal = CG_TOLERANCE**2 * square
        for _ in range(CG_ITERATIONS):
            if square <= goal:
                break
            moved = self.product(direction)
            step = square / (direction * moved).sum()
            solved = solved + step * direction
            residual = residual - step * moved
            square, before = residual.square().sum(), square
            direction = residual + square / before * direction
        return solved


class MAdam:
    """
    Adam for a table (N,) of which a step touches a few entries: each has moments and a step count of its own

    An entry that is drawn twice takes one step along the sum of its gradients.
    """

    def __init__(self, size, lr, betas=(0.9, 0.999), eps=1e-8):
        self.lr, self.betas, self.eps = lr, betas, eps
        self.first, self.second, self.steps = torch.zeros(3, size, dtype=torch.float64)

    @torch.no_grad()
    def step(self, table, indices, gradients):
        """
        move the entries of table at indices (U,) against their gradients (U,), in place
        """
        slope = torch.zeros_like(self.first)
        slope.index_put_((indices,), gradients.to(slope), accumulate=True)
        slope, (b1, b2) = slope[indices], self.betas
        first = b1 * self.first[indices] + (1 - b1) * slope
        second = b2 * self.second[indices] + (1 - b2) * slope.square()
        steps = self.steps[indices] + 1
        self.first[indices], self.second[indices], self.steps[indices] = first, second, steps
        move = first / (1 - b1**steps) / ((second / (1 - b2**steps)).sqrt() + self.eps)
        table[indices] = table[indices] - self.lr * move.to(table)

    def to(self, device):
        for name, values in self.state_dict().items():
            setattr(self, name, values.to(device, precision(device)))

    def state_dict(self):
        return {"first": self.first, "second": self.second, "steps": self.steps}

    def load_state_dict(self, state):
        for name, values in self.state_dict().items():
            setattr(self, name, state[name].to(values, copy=True))


@contextlib.contextmanager
def evaluating(model):
    """
    the network in evaluation mode; afterwards each module has the mode that it had
    """
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def influences(algorithm, head, batch, validation, shift):
    """
    derivative of the validation loss in the weight of each unlabelled example (U,), and that loss () (Eq. 6)

    Minus the validation gradient times the inverse Hessian of the training loss times the gradient of the
    example's unmasked loss, all in the classification layer: three forward passes and one system.

    Args:
        batch: of the training step: x_lb, y_lb, x_ulb, targets, and shares (U,), the factor of each
            example's loss in the training loss
        validation: inputs and classes (V,)
        shift: weight decay and damping, on the Hessian's diagonal
    """
    dtype = precision(batch["shares"].device)
    with evaluating(algorithm.model):
        labelled = HeadPass(algorithm, head, batch["x_lb"], batch["y_lb"], dtype)
        unlabelled = HeadPass(algorithm, head, batch["x_ulb"], batch["targets"], dtype)
        held_out = HeadPass(algorithm, head, *validation, dtype)
    even = torch.full_like(labelled.mass, 1 / len(labelled.mass))
    curvature = Curvature(
        torch.cat((labelled.probs, unlabelled.probs)),
        torch.cat((labelled.features, unlabelled.features)),
        torch.cat((even, batch["shares"].to(dtype) * unlabelled.mass)),
        shift,
    )
    gradient = held_out.residual.T @ held_out.features / len(held_out.features)
    direction = curvature.solve(gradient)
    found = -((unlabelled.residual @ direction) * unlabelled.features).sum(dim=-1)
    return found, held_out.loss
