"""Small networks of the kinds that USB has, in float64 and in evaluation mode, each with a batch."""

import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from usb_ext.upstream.nets import net_builder, wrn_10_1
from usb_ext.upstream.stand_ins import import_real


class TinyBert(nn.Module):
    """A BERT of two layers, its words averaged, and USB's text head."""

    def __init__(self, words: int = 20, width: int = 8) -> None:
        super().__init__()
        transformers: Any = import_real("transformers")
        config = transformers.BertConfig(
            vocab_size=words, hidden_size=width, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=12, max_position_embeddings=16,
        )  # fmt: skip
        self.bert = transformers.BertModel(config)
        self.classifier = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 3))

    def forward(self, x: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        feat = self.bert(**x, return_dict=True)["last_hidden_state"].mean(1)
        return {"logits": self.classifier(feat), "feat": feat}


def tiny_vit(num_classes: int = 3, drop_path: float = 0.1) -> nn.Module:
    """USB's VisionTransformer, two blocks on 8 x 8 pixels."""
    module: Any = inspect.getmodule(net_builder("vit_tiny_patch2_32"))
    net: nn.Module = module.VisionTransformer(
        img_size=8, patch_size=2, num_classes=num_classes, embed_dim=8, depth=2, num_heads=2,
        drop_path_rate=drop_path,
    )  # fmt: skip
    return net


def plain_vit(num_classes: int = 3) -> nn.Module:
    """The same without random numbers, which several processes each draw for themselves."""
    return tiny_vit(num_classes, drop_path=0.0)


def prepared(net: nn.Module, seed: int = 0) -> nn.Module:
    """A network in float64 and evaluation mode, with parameters and statistics that are not trivial."""
    generator = torch.Generator().manual_seed(seed)
    net.double().eval()
    for name, tensor in (*net.named_parameters(), *net.named_buffers()):
        if not tensor.is_floating_point():
            continue
        noise = 0.3 * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            if name.endswith("running_var"):
                tensor.copy_(noise.abs() + 0.5)
            else:
                tensor.add_(noise)
    return net


def images_and_labels(num: int, size: int, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(num)
    images = torch.randn(num, 3, size, size, generator=generator, dtype=torch.float64)
    return images, torch.arange(num) % classes


def case(name: str) -> tuple[nn.Module, Any]:
    """A network with a batch (inputs, labels): `wrn`, `vit` or `bert`."""
    torch.manual_seed(0)
    if name == "wrn":
        return prepared(wrn_10_1(num_classes=3)), images_and_labels(4, 12)
    if name == "vit":
        return prepared(tiny_vit()), images_and_labels(4, 8)
    words = torch.randint(1, 20, (4, 6), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(words)
    words[1, 4:], mask[1, 4:] = 0, 0
    return prepared(TinyBert()), (
        {"input_ids": words, "attention_mask": mask},
        torch.arange(4) % 3,
    )


def cross_entropies(net: Any, batch: Any) -> torch.Tensor:
    """(B,) losses of (inputs, labels)."""
    return F.cross_entropy(net(batch[0])["logits"], batch[1], reduction="none")
