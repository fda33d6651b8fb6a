"""`python usb_ext/train.py`, from a checkout."""

from support.run import python


def test_the_script_is_the_train_command() -> None:
    done = python("usb_ext/train.py", "--lrr", "3")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "usb-ext: unknown flag --lrr: did you mean --lr?\n"
