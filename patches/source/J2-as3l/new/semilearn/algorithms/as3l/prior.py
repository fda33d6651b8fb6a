# Licensed under the MIT License.

"""
prior pseudo-labels of the unlabelled images of a run, for its prior_file (AS3L, Sec. 4.3):

    python -m semilearn.algorithms.as3l.prior --c FILE --weights simsiam.pth

Constrained K-means spreads the labels over self-supervised features, once for each number of clusters: a
cluster's labelled images vote for their class on all of its images. The fine-tuning of features (Eq. 6) is
not part of this.
"""

import argparse
import copy
import os
import random

import numpy as np
import torch
from semilearn.core.utils import get_dataset, get_net_builder
from semilearn.core.utils.misc import over_write_args_from_file
from semilearn.lighting import get_config
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import pairwise_distances_argmin

from .utils import digest

ITERATIONS = 100  # most steps of one K-means


def seed_groups(points, labels, num_clusters):
    """
    cluster of each labelled example (n,): each class has one cluster or more, never shared with another class

    Classes are split by Ward's linkage until there is a group for each cluster or each example.
    """
    classes, group = np.unique(labels, return_inverse=True)
    sizes, parts = np.bincount(group), np.ones(len(classes), dtype=int)
    while parts.sum() < min(num_clusters, len(labels)):
        parts[np.argmax(np.where(parts < sizes, sizes / parts, 0))] += 1
    found, start = np.empty(len(labels), dtype=int), 0
    for c, number in enumerate(parts):
        rows = np.flatnonzero(group == c)
        found[rows] = start
        if number > 1:
            found[rows] += AgglomerativeClustering(number).fit_predict(points[rows])
        start += number
    return found


def seed_kmeans(features, rows, groups, num_clusters, rng):
    """
    cluster of each example (N,) by K-means in which the labelled ones, at rows, keep their groups

    Clusters without labelled examples start at examples drawn by their squared distance to the centers.
    """
    centers = [features[rows][groups == g].mean(axis=0) for g in range(groups.max() + 1)]
    nearest = np.min([((features - center) ** 2).sum(axis=1) for center in centers], axis=0)
    while len(centers) < num_clusters:
        centers.append(features[rng.choice(len(features), p=nearest / nearest.sum())])
        nearest = np.minimum(nearest, ((features - centers[-1]) ** 2).sum(axis=1))
    centers, before = np.stack(centers), None
    for _ in range(ITERATIONS):
        found = pairwise_distances_argmin(features, centers)
        found[rows] = groups
        if before is not None and (found == before).all():
            break
        for k in np.unique(found):  # an empty cluster keeps its center
            centers[k] = features[found == k].mean(axis=0)
        before = found
    return found


def seed_prior(features, rows, labels, num_classes, numbers, seed=0):
    """
    prior pseudo-labels (N, C): votes of one K-means for each number of clusters, divided by their sum

    Args:
        features: (N, d)
        rows: positions of the labelled examples (n,)
        labels: their classes (n,)
        numbers: numbers of clusters, each from the number of classes to N
    """
    features, votes = features.astype(np.float64), np.zeros((len(features), num_classes))
    rng = np.random.default_rng(seed)
    for number in numbers:
        groups = seed_groups(features[rows], labels, number)
        classes = np.full(number, -1)
        classes[groups] = labels
        given = classes[seed_kmeans(features, rows, groups, number, rng)]
        reached = np.flatnonzero(given >= 0)
        votes[reached, given[reached]] += 1
    return (votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)).astype(np.float32)


@torch.no_grad()
def network_features(args, images):
    """
    features (N, d) of images, by the network of the settings with the weights at pretrain_path
    """
    if not args.pretrain_path:
        raise ValueError(
            "features need --weights, or a pretrain_path in the settings, or --features"
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    builder = get_net_builder(args.net, args.net_from_name)
    net = builder(num_classes=args.num_classes, pretrained=True, pretrained_path=args.pretrain_path)
    net = net.to(device).eval()
    loader = torch.utils.data.DataLoader(images, args.eval_batch_size, num_workers=args.num_workers)
    found = [net(batch["x_lb"].to(device), only_feat=True).cpu() for batch in loader]
    return torch.cat(found).numpy()


def main():
    parser = argparse.ArgumentParser(description="Prior pseudo-labels for as3l")
    parser.add_argument("--c", required=True, help="settings of the run")
    parser.add_argument(
        "--weights", help="self-supervised weights of its network, as for pretrain_path"
    )
    parser.add_argument(
        "--features", help="instead of them: an .npy file (N, d) in the order of idx_ulb"
    )
    parser.add_argument("--out", help="default: prior_file of the settings")
    given = parser.parse_args()

    args = get_config({"algorithm": "as3l"})
    over_write_args_from_file(args, given.c)
    args.pretrain_path = given.weights or args.pretrain_path
    random.seed(args.seed)  # as train.py does before it splits
    np.random.seed(args.seed)
    dsets = get_dataset(
        args, args.algorithm, args.dataset, args.num_labels, args.num_classes, args.data_dir,
        args.include_lb_to_ulb,
    )  # fmt: skip
    labelled, unlabelled = dsets["train_lb"], dsets["train_ulb"]
    rows = np.arange(len(labelled))
    if not np.array_equal(labelled.data, unlabelled.data[: len(labelled)]):
        raise ValueError(
            "the labelled images are not among the unlabelled ones; set include_lb_to_ulb"
        )
    if given.features:
        features = np.load(given.features)
    else:
        images = copy.copy(unlabelled)
        images.is_ulb, images.transform = False, dsets["eval"].transform
        features = network_features(args, images)
    if len(features) != len(unlabelled):
        raise ValueError(f"{len(features)} features for {len(unlabelled)} unlabelled images")
    numbers = [args.num_classes * n for n in range(1, 7)]
    labels = np.asarray(labelled.targets)
    prior = seed_prior(features, rows, labels, args.num_classes, numbers, args.seed)
    out = given.out or args.prior_file
    os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
    np.savez(out, prior=prior, labelled=digest(labelled.data))
    print(
        f"{out}: {(prior.sum(axis=1) > 0).mean():.1%} of {len(prior)} images have a prior pseudo-label"
    )


if __name__ == "__main__":
    main()
