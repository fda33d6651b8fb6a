"""Flags: every setting by name, values as in YAML, one line for every mistake."""

import argparse

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings, load_settings, parse_flags
from usb_ext.settings.flags import CONFIG, SHORT, add_setting_flags, settings_given


def settings_of(line: str) -> dict[str, object]:
    return parse_flags(line.split())[1]


def failure(*words: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parse_flags(words)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_nothing_given() -> None:
    assert parse_flags([]) == (None, {})


@pytest.mark.parametrize("words", [["--c", "a.yaml"], ["--config=a.yaml"], ["-c", "a.yaml"]])
def test_the_file(words: list[str]) -> None:
    assert parse_flags(words) == ("a.yaml", {})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--lr 5e-05", {"lr": 5e-05}),
        ("--lr=5e-05", {"lr": 5e-05}),
        ("--num_labels 40", {"num_labels": 40}),
        ("--num-labels 40", {"num_labels": 40}),
        ("--amp True", {"amp": True}),
        ("--amp bf16", {"amp": "bf16"}),
        ("--progress off", {"progress": "off"}),
        ("--lb_imb_ratio -100", {"lb_imb_ratio": -100}),
        ("--lb_imb_ratio=-1.5", {"lb_imb_ratio": -1.5}),
        ("--ulb_imb_ratio -.5", {"ulb_imb_ratio": -0.5}),
        ("--T 0.5 --C 1.0001 --K 30", {"T": 0.5, "C": 1.0001, "K": 30}),
        ("--device cuda:1", {"device": "cuda:1"}),
        ("--dist_url tcp://127.0.0.1:10068", {"dist_url": "tcp://127.0.0.1:10068"}),
    ],
)
def test_values(line: str, expected: dict[str, object]) -> None:
    given = settings_of(line)
    assert given == expected
    assert [type(v) for v in given.values()] == [type(v) for v in expected.values()]


@pytest.mark.parametrize("text", ["007", "2024-01-02", "True", "1e3", "a: b", "[x]", "#3"])
def test_free_text_is_taken_as_it_stands(text: str) -> None:
    _, given = parse_flags(["--save_name", text])
    assert given == {"save_name": text}
    assert load_settings(None, given).settings.save_name == text


def test_an_equals_sign_belongs_to_the_value_after_the_first() -> None:
    assert settings_of("--save_name=a=b") == {"save_name": "a=b"}
    assert settings_of("--save_name a=b") == {"save_name": "a=b"}


def test_none_reaches_the_settings_as_none() -> None:
    given = settings_of("--gpu None --label_file None --T None")
    settings = load_settings({"T": 0.1}, given).settings
    assert (settings.gpu, settings.label_file, settings.T) == (None, None, None)


def test_an_empty_value_is_none_for_text() -> None:
    _, given = parse_flags(["--load_path", ""])
    assert load_settings(None, given).settings.load_path is None


def test_a_switch_may_stand_alone_or_take_a_value() -> None:
    assert settings_of("--resume --lr 0.1") == {"resume": True, "lr": 0.1}
    assert settings_of("--resume") == {"resume": True}
    assert settings_of("--resume False --use_cat=True") == {"resume": False, "use_cat": True}
    assert settings_of("--grad_relu") == {"grad_relu": True}


def test_a_word_after_a_switch_is_its_value_and_checked_as_such() -> None:
    with pytest.raises(SettingsError, match="resume: got 'maybe'"):
        load_settings(None, settings_of("--resume maybe"))


@pytest.mark.parametrize(
    "line",
    [
        "--extensions grad_relu avg_clustering",
        "--extensions grad_relu,avg_clustering",
        "--extensions [grad_relu, avg_clustering]",
        "--extensions=[grad_relu,avg_clustering]",
        "--extensions grad_relu, avg_clustering --seed 1",
    ],
)
def test_lists(line: str) -> None:
    assert settings_of(line)["extensions"] == ["grad_relu", "avg_clustering"]


def test_lists_of_one_and_of_none() -> None:
    assert settings_of("--extensions grad_relu") == {"extensions": ["grad_relu"]}
    assert settings_of("--extensions []") == {"extensions": []}


@pytest.mark.parametrize(("short", "name"), [(k, v) for k, v in SHORT.items() if v != CONFIG])
def test_the_short_names_of_usb(short: str, name: str) -> None:
    assert name in Settings.model_fields
    assert list(settings_of(f"{short} 3")) == [name]


def test_every_setting_is_a_flag() -> None:
    for name in Settings.model_fields:
        assert list(settings_of(f"--{name} 3")) == [name]
        assert list(settings_of(f"--{name.replace('_', '-')}=3")) == [name]


@pytest.mark.parametrize(
    ("word", "meant"),
    [("--num_label", "num_labels"), ("--lrr", "lr"), ("--use-amp", "amp"), ("-lr", "lr")],
)
def test_an_unknown_flag_gets_the_nearest_name(word: str, meant: str) -> None:
    assert failure(word, "1") == f"unknown flag {word}: did you mean --{meant}?"


@pytest.mark.parametrize("word", ["--", "--xyzzy", "---lr", "--=3"])
def test_other_words_with_dashes_are_unknown(word: str) -> None:
    assert "unknown flag" in failure(word)


def test_the_beginning_of_a_name_is_not_the_name() -> None:
    assert "did you mean" in failure("--num_train", "10")


def test_a_flag_needs_a_value_and_says_which() -> None:
    assert failure("--lr") == "--lr needs a value: a finite number above 0"
    assert "SGD" in failure("--optim", "--lr", "0.1")
    assert "path" in failure("--c")
    assert "grad_relu" in failure("--extensions", "--seed", "1")


def test_words_of_no_flag_are_refused() -> None:
    assert "'train.yaml'" in failure("train.yaml")
    assert "'0.2'" in failure("--lr", "0.1", "0.2")
    assert "'b.yaml'" in failure("--c", "a.yaml", "b.yaml")
    assert "'-'" in failure("-")


@pytest.mark.parametrize(
    "words",
    [
        ["--lr", "1", "--lr=2"],
        ["--num_labels", "4", "--num-labels", "4"],
        ["-alg", "fixmatch", "--algorithm", "uda"],
        ["--c", "a", "--config", "b"],
        ["--resume", "--resume"],
    ],
)
def test_a_flag_given_twice_is_refused(words: list[str]) -> None:
    assert "twice" in failure(*words)


def test_flags_of_a_parser_with_others_are_read_as_typed() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--jobs", type=int)
    add_setting_flags(parser, but=("seed",))
    words = [
        "--num-labels",
        "40",
        "--jobs",
        "2",
        "--extensions",
        "grad_relu",
        "smooth_weight",
        "--resume",
    ]
    arguments = parser.parse_args([*words, "--lr=5e-05"])
    assert arguments.jobs == 2
    given = settings_given(arguments)
    assert given == {
        "num_labels": 40, "extensions": ["grad_relu", "smooth_weight"], "resume": True, "lr": 5e-05,
    }  # fmt: skip
    assert list(given) == ["num_labels", "extensions", "resume", "lr"]
    assert settings_given(parser.parse_args([])) == {}
    with pytest.raises(SettingsError, match="given twice"):
        settings_given(parser.parse_args(["--lr", "1", "--lr", "2"]))
    with pytest.raises(SystemExit):
        parser.parse_args(["--seed", "1"])
