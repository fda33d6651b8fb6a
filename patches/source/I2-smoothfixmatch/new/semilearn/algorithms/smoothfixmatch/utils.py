# Licensed under the MIT License.

import torch


def smooth_weight(confidence, threshold, exponent):
    """
    (relu(confidence - threshold) / (1 - threshold)) ** exponent: 0 up to the threshold, 1 at confidence 1

    Args:
        confidence: largest probability of each weak view (B,)
        threshold: number in [0, 1)
        exponent: number above 0
    """
    above = confidence > threshold
    # no power of 0, whose derivative is infinite for an exponent below 1
    margin = torch.where(
        above, (confidence - threshold) / (1 - threshold), torch.ones_like(confidence)
    )
    return torch.where(above, margin**exponent, torch.zeros_like(confidence))
