"""Text networks and tokenizers from a folder, by hand, and what is said of those that are missing."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.text import GOOD, VOCABULARY, write_bert

from usb_ext.core.errors import DataMissing
from usb_ext.methods.step.head_tap import find_head
from usb_ext.upstream import text_nets
from usb_ext.upstream.text_nets import HUB, collate_of, text_net


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("bert"))


def test_it_is_the_bert_of_the_folder_under_usbs_head(bert: Path) -> None:
    net: Any = text_net("bert_base_uncased", 3, str(bert)).eval()
    x = {
        "input_ids": torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]),
    }
    again: Any = text_nets.import_real("transformers")
    hidden = again.BertModel.from_pretrained(bert).eval()(**x).last_hidden_state
    feat = hidden.mean(dim=1)  # USB averages over all places, padding too
    first, _, last = net.classifier
    wanted = last(torch.nn.functional.gelu(first(feat)))
    out = net(x)
    torch.testing.assert_close(out["feat"], feat)
    torch.testing.assert_close(out["logits"], wanted)
    torch.testing.assert_close(net(x, only_feat=True), feat)
    assert wanted.shape == (2, 3) and find_head(net, 3) is last
    assert net.num_features == 8


def test_a_batch_is_padded_to_its_longest_text_and_cut_at_max_length(bert: Path) -> None:
    args = Namespace(net="bert_base_uncased", pretrain_path=str(bert), max_length=5)
    collate = collate_of(args)
    samples = [
        {"idx": 3, "text": "good film", "text_s": "bad"},
        {"idx": 9, "text": "The GREAT unheard film was good", "text_s": "dull plot"},
    ]
    batch = collate(samples)
    ids = {word: i for i, word in enumerate(VOCABULARY)}
    wanted = [
        ["[CLS]", "good", "film", "[SEP]", "[PAD]"],
        ["[CLS]", "the", "great", "[UNK]", "[SEP]"],
    ]
    assert batch["x_ulb_w"]["input_ids"].tolist() == [[ids[w] for w in row] for row in wanted]
    assert batch["x_ulb_w"]["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    assert batch["x_ulb_s"]["input_ids"].shape == (2, 4)
    assert batch["idx_ulb"].tolist() == [3, 9]
    assert collate_of(args) is collate and len(GOOD) == 4


def test_images_have_no_collator() -> None:
    assert collate_of(Namespace(net="wrn_10_1")) is None


@pytest.mark.parametrize("missing", ["config.json", "vocab.txt"])
def test_a_folder_without_a_file_is_named(tmp_path: Path, missing: str) -> None:
    folder = write_bert(tmp_path / "b")
    (folder / missing).unlink()
    args = Namespace(net="bert_base_uncased", pretrain_path=str(folder), max_length=5)
    with pytest.raises(DataMissing, match=f"{missing}.* lies there") as caught:
        text_net(args.net, 2, args.pretrain_path) if missing == "config.json" else collate_of(args)
    assert str(folder) in str(caught.value) and caught.value.exit_code == 3


def test_damaged_weights_and_a_hub_out_of_reach_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_bert(tmp_path / "b")
    (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataMissing, match="weights of net bert_base_cased could not be loaded"):
        text_net("bert_base_cased", 2, str(folder))

    def unreachable(*_: object) -> None:
        raise OSError("We couldn't connect\nto anything")

    monkeypatch.setattr(text_nets.TextNet, "__init__", unreachable)
    with pytest.raises(
        DataMissing, match="loaded from bert-base-uncased .*couldn't connect.*--pretrain_path"
    ) as caught:
        text_net("bert_base_uncased", 2)
    assert "\n" not in str(caught.value)
    assert set(HUB) == {"bert_base_uncased", "bert_base_cased"}
