"""Texts in USB's aclImdb format and a tiny BERT, both made on the spot; runs on them."""

import json
import random
from pathlib import Path
from typing import Any

import torch

from support.run import run
from usb_ext.upstream.stand_ins import import_real

GOOD, BAD = ("good", "great", "fine", "lovely"), ("bad", "poor", "awful", "dull")
PLAIN = ("the", "film", "was", "a", "plot", "actor")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *GOOD, *BAD, *PLAIN)
IMDB: dict[str, Any] = {
    "algorithm": "uda", "dataset": "aclImdb", "num_classes": 2, "num_labels": 4,
    "net": "bert_base_uncased", "max_length": 8, "use_cat": False, "batch_size": 2,
    "optim": "AdamW", "lr": 5e-4, "layer_decay": 0.75, "eval_batch_size": 8,
}  # fmt: skip


def write_texts(folder: Path, counts: tuple[int, int, int] = (30, 8, 10)) -> None:
    """`folder/aclImdb/{train,dev,test}.json`: class 1 has good words, class 0 bad ones."""
    chosen = random.Random(0)

    def text(label: int) -> str:
        words = (GOOD if label else BAD) + PLAIN
        return " ".join(chosen.choice(words) for _ in range(chosen.randint(3, 12)))

    (folder / "aclImdb").mkdir(parents=True, exist_ok=True)
    for name, count in zip(("train", "dev", "test"), counts, strict=True):
        rows = {}
        for i in range(count):
            row = {"ori": text(i % 2), "label": str(i % 2)}
            if name == "train":
                row |= {"aug_0": text(i % 2), "aug_1": text(i % 2)}
            rows[str(i)] = row
        (folder / "aclImdb" / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")


def write_bert(folder: Path, width: int = 8) -> Path:
    """A folder with `config.json`, random weights and `vocab.txt`."""
    transformers: Any = import_real("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=width, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=2 * width, max_position_embeddings=16,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return folder


def run_texts(folder: Path, source: Path, stop_after: int | None = None, **changed: Any) -> Any:
    """A whole run in `folder/run` on the texts and the BERT that lie in `source`."""
    paths = {"data_dir": str(source), "pretrain_path": str(source / "bert")}
    return run(folder, stop_after, **{**IMDB, **paths, **changed})
