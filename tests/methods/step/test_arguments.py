"""Settings as USB declares options: names, defaults, and how its own command line reads a value."""

import argparse

import pytest

from usb_ext.methods.step.arguments import usb_arguments


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("p_cutoff", "0.9", 0.9),
        ("ac_reset_iter", "7", 7),
        ("use_quantile", "False", False),
        ("grad_relu", "True", True),
        ("tsa_schedule", "linear", "linear"),
        ("prior_file", "a.npz", "a.npz"),
        ("of_a_users_own", "anything", "anything"),
    ],
)
def test_a_value_is_read_as_the_setting_is(name: str, text: str, value: object) -> None:
    declared = usb_arguments({name: None})[0]
    parser = argparse.ArgumentParser()
    parser.add_argument(declared.name, type=declared.type, default=declared.default)
    assert vars(parser.parse_args([])) == {name: None}
    found = vars(parser.parse_args([f"--{name}", text]))[name]
    assert found == value and type(found) is type(value)


def test_defaults_are_those_given_in_their_order() -> None:
    found = [(d.name, d.default) for d in usb_arguments({"T": 0.5, "p_cutoff": 0.95})]
    assert found == [("--T", 0.5), ("--p_cutoff", 0.95)]
