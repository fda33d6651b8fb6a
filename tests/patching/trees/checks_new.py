"""Checks of the new algorithms, and of what they share; `patch_checks.py` runs them."""

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from patch_world import CLASSES, FlatNet, build, failure, images, settings, settings_in_json, usb
from torchvision import transforms


def check_find_head(folder: Path) -> None:
    """The classification layer of three kinds of network and of a wrapped one; else a sentence."""
    find = usb("nets.utils").find_head
    flat = FlatNet(CLASSES)
    assert find(flat, CLASSES) is flat.classifier
    assert find(torch.nn.DataParallel(flat), CLASSES) is flat.classifier
    transformer = usb("nets").vit_tiny_patch2_32(num_classes=CLASSES)
    assert find(transformer, CLASSES) is transformer.head
    deep = FlatNet(CLASSES)
    deep.classifier = torch.nn.Sequential(
        torch.nn.Linear(8, CLASSES), torch.nn.GELU(), torch.nn.Linear(CLASSES, CLASSES)
    )
    assert find(deep, CLASSES) is deep.classifier[2]
    assert f"FlatNet has no linear layer with {CLASSES + 1} outputs" in str(
        failure(find, flat, CLASSES + 1)
    )


def check_layermatch(folder: Path) -> None:
    """The classification layer gets the labelled loss's gradient alone; the averaged one is moved by hand."""
    run = build("layermatch", ac_momentum=0.5, ac_lr=2.0, ac_reset_iter=5)
    run.it = 0
    run.hooks_dict["MaskingHook"].masking = lambda *_, **__: torch.ones(6)
    x_lb, y_lb = torch.randn(4, 3, 4, 4), torch.arange(4)
    weak, strong = torch.randn(2, 6, 3, 4, 4)
    head = run.model.classifier
    before = head.weight.detach().clone()
    out, _ = run.train_step(x_lb, y_lb, weak, strong)
    out["loss"].backward()
    found = head.weight.grad.clone()
    logits, feat = out["feat"]["x_lb"] @ before.T + head.bias.detach(), out["feat"]["x_lb"]
    expected = (logits.softmax(-1) - torch.eye(CLASSES)[y_lb]).T @ feat / 4
    torch.testing.assert_close(found, expected.detach())
    assert run.model.body[1].weight.grad.abs().max() > 0
    moved = run.hooks_dict["AvgClusteringHook"].averaged()["weight"] - before
    feat = out["feat"]["x_ulb_s"].detach()
    probs = (feat @ before.T + head.bias.detach()).softmax(-1)
    pseudo = (out["feat"]["x_ulb_w"].detach() @ before.T + head.bias.detach()).argmax(-1)
    gradient = (probs - torch.eye(CLASSES)[pseudo]).T @ feat / 6
    torch.testing.assert_close(moved, -0.5 * 2.0 * gradient)


def check_smoothfixmatch(folder: Path) -> None:
    """The weight at, below and above the threshold, by its formula."""
    run = build("smoothfixmatch", p_cutoff=0.6, smooth_exponent=2.0)
    probs = torch.tensor([[0.6, 0.4], [0.7, 0.3], [0.2, 0.8], [0.0, 1.0], [0.5, 0.5]])
    weights = run.call_hook("masking", "MaskingHook", logits_x_ulb=probs, softmax_x_ulb=False)
    torch.testing.assert_close(weights, torch.tensor([0.0, 0.0625, 0.25, 1.0, 0.0]))


def check_influence(folder: Path) -> None:
    """A derivative is that of moving the optimum of the last layer; the drawn weights move against theirs."""
    torch.manual_seed(0)
    utils = usb("algorithms.influence.utils")
    run = SimpleNamespace(model=FlatNet(CLASSES).double(), amp_cm=torch.no_grad)
    inputs = torch.randn(3, 9, 3, 4, 4, dtype=torch.float64)
    targets = torch.randint(CLASSES, (3, 9))
    shares = torch.rand(9, dtype=torch.float64) / 9
    batch = {"x_lb": inputs[0], "y_lb": targets[0], "x_ulb": inputs[1], "targets": targets[1]}
    head = run.model.classifier
    for size in (utils.EXACT_SIZE, 0):  # once by Cholesky, once by conjugate gradients
        with mock.patch.object(utils, "EXACT_SIZE", size):
            found, loss = utils.influences(
                run, head, {**batch, "shares": shares}, (inputs[2], targets[2]), shift=0.1
            )
        wanted = _by_hand(run.model.eval(), inputs, targets, shares, 0.1)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-8)
    optimizer, table = utils.MAdam(4, 0.5), torch.ones(4)
    optimizer.step(table, torch.tensor([1, 3]), torch.tensor([2.0, -1.0]))
    torch.testing.assert_close(table, torch.tensor([1.0, 0.5, 1.0, 1.5]))
    assert optimizer.steps.tolist() == [0, 1, 0, 1]


def _by_hand(
    model: Any, inputs: torch.Tensor, targets: torch.Tensor, shares: torch.Tensor, shift: float
) -> torch.Tensor:
    """Eq. 6 with the Hessian and every gradient by automatic differentiation."""
    features = [model.body(x).detach() for x in inputs]
    start = torch.cat((model.classifier.weight, model.classifier.bias[:, None]), 1).detach()

    def losses(layer: torch.Tensor, part: int) -> torch.Tensor:
        logits = features[part] @ layer[:, :-1].T + layer[:, -1]
        return torch.nn.functional.cross_entropy(logits, targets[part], reduction="none")

    def objective(layer: torch.Tensor) -> torch.Tensor:
        return losses(layer, 0).mean() + (shares * losses(layer, 1)).sum()

    grad = torch.autograd.functional.jacobian
    size = start.numel()
    hessian = torch.autograd.functional.hessian(objective, start).reshape(size, size)
    validation = grad(lambda layer: losses(layer, 2).mean(), start).reshape(size)
    each = grad(lambda layer: losses(layer, 1), start).reshape(len(shares), size)
    return -each @ torch.linalg.solve(hessian + shift * torch.eye(size), validation)


def check_influence_held_out(folder: Path) -> None:
    """Validation images are trained on neither as labelled nor as unlabelled ones."""
    with mock.patch("patch_world.datasets", _shared):
        run = build("influence", influence_num_val=4)
    held = {x.tobytes() for x in run.dataset_dict["val"].data}
    assert len(held) == 4
    assert sorted(run.dataset_dict["val"].targets) == [0, 1, 2, 3]
    for name, left in (("train_lb", 4), ("train_ulb", 44)):
        data = run.dataset_dict[name].data
        assert len(data) == left and not held & {x.tobytes() for x in data}, name
    assert len(run.hooks_dict["MaskingHook"].table) == run.args.ulb_dest_len == 44


def _shared(algorithm: str, size: int) -> dict[str, Any]:
    """As USB splits: the labelled images are among the unlabelled ones."""
    basic = usb("datasets.cv_datasets.datasetbase").BasicDataset
    data, targets = images(2, 12, size)
    chosen = np.concatenate([np.flatnonzero(targets == c)[3:5] for c in range(CLASSES)])

    def made(rows: Any, is_ulb: bool) -> Any:
        return basic(algorithm, data[rows], targets[rows], CLASSES, lambda x: x, is_ulb)

    held = made(slice(0, 12), False)
    parts = {"train_lb": made(chosen, False), "train_ulb": made(slice(None), True)}
    return {**parts, "eval": held, "test": held}


def check_influence_processes(folder: Path) -> None:
    """Several processes are refused with a sentence; one that is started as a distributed run is not."""
    error = failure(build, "influence", world_size=2, distributed=True)
    assert "influence runs in one process" in str(error)
    meeting = f"file://{folder}/meet"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
    try:
        alone = build("influence", distributed=True, influence_num_val=4)
    finally:
        torch.distributed.destroy_process_group()
    assert len(alone.dataset_dict["val"]) == 4


def check_as3l(folder: Path) -> None:
    """The prior joins the prediction up to its last step; a table of another size is refused."""
    table = np.zeros((48, CLASSES), dtype=np.float32)
    table[5] = (0.0, 0.5, 0.5, 0.0)
    np.save(folder / "prior.npy", table)
    given = {"prior_file": str(folder / "prior.npy"), "ulb_dest_len": 48}
    run = build("as3l", prior_until=3, **given)
    run.idx_ulb = torch.tensor([4, 5])
    probs = torch.tensor([[0.4, 0.3, 0.2, 0.1]] * 2)
    for run.it, second in ((2, [0.2, 0.4, 0.35, 0.05]), (3, [0.4, 0.3, 0.2, 0.1])):
        found = run.call_hook("dist_align", "DistAlignHook", probs_x_ulb=probs)
        torch.testing.assert_close(found, torch.stack((probs[0], torch.tensor(second))))
    np.save(folder / "prior.npy", table[:40])
    assert "prior_file holds (40, 4), not (48, 4)" in str(failure(build, "as3l", **given))


def check_as3l_prior(folder: Path) -> None:
    """The script labels images by their clusters, and a run takes its file, but no other split's."""
    module = usb("algorithms.as3l.prior")
    data, targets = images(1, 12, 4)
    chosen = {
        "dataset": "cifar10", "num_classes": CLASSES, "num_labels": 8, "net": "wrn_28_2", "seed": 3,
        "num_workers": 0, "save_dir": str(folder), "data_dir": str(folder),
        "prior_file": f"{folder}/prior/made.npz",
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(chosen))

    def run(seed: int) -> Any:
        with mock.patch("patch_world.datasets", lambda *_: _split(data, targets, seed)):
            return build("as3l", seed=seed, ulb_dest_len=48, prior_file=f"{folder}/prior/made.npz")

    np.random.seed(3)
    split = _split(data, targets, 3)
    truth = split["train_ulb"].targets
    # around the corners of a square, one for each class
    corners = 10.0 * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    noise = np.random.default_rng(0).normal(size=(48, 2))
    np.save(folder / "features.npy", corners[truth] + noise)

    def made(*words: str) -> Any:
        line = ["prior", "--c", f"{folder}/run.json", *words]
        with (
            settings_in_json(),
            mock.patch("sys.argv", line),
            mock.patch.object(module, "get_dataset", lambda *_: _split(data, targets, 3)),
        ):
            module.main()
        return np.load(folder / "prior" / "made.npz")["prior"]

    net = usb("nets").wrn_28_2(num_classes=CLASSES).eval()
    torch.save({"model": net.state_dict()}, folder / "weights.pth")
    with mock.patch.object(module, "seed_prior", lambda features, *_: features):
        found = made("--weights", f"{folder}/weights.pth")
    first = torch.from_numpy(split["train_ulb"].data[:1]).permute(0, 3, 1, 2).div(255)
    torch.testing.assert_close(torch.from_numpy(found[:1]), net(first)["feat"].detach())
    prior = made("--features", f"{folder}/features.npy")
    assert prior.shape == (48, CLASSES)
    assert (prior.argmax(axis=1) == truth).all() and (prior.sum(axis=1) > 0).all()
    alone = module.seed_prior(corners[truth] + noise, np.arange(8), truth[:8], CLASSES, [40])
    assert 8 / 48 <= (alone.sum(axis=1) > 0).mean() < 1  # 32 of the clusters have no label
    assert (alone[:8].argmax(axis=1) == truth[:8]).all()
    assert run(3).hooks_dict["DistAlignHook"].prior.shape == (48, CLASSES)
    assert "it is of another split" in str(failure(run, 4))


def _split(data: Any, targets: Any, seed: int) -> dict[str, Any]:
    """The data sets of a split by USB itself, of its seed."""
    basic = usb("datasets.cv_datasets.datasetbase").BasicDataset
    np.random.seed(seed)
    args = settings("fixmatch", seed=seed, save_name=f"split_{seed}")
    with tempfile.TemporaryDirectory() as args.save_dir:
        parts = usb("datasets").split_ssl_data(args, data, targets, CLASSES, 8)
    tensor = transforms.ToTensor()
    labelled = basic("as3l", parts[0], parts[1], CLASSES, tensor, False)
    unlabelled = basic("as3l", parts[2], parts[3], CLASSES, tensor, True, tensor, tensor)
    return {"train_lb": labelled, "train_ulb": unlabelled, "eval": labelled, "test": labelled}
