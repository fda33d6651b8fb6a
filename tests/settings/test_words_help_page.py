"""The help page: every setting once, under its group, with default and description."""

import re

from usb_ext.settings import Settings, first_help, help_about, help_text
from usb_ext.settings.model import GROUPS


def headings() -> dict[str, str]:
    """The heading each flag stands under."""
    found, current = {}, ""
    for line in help_text().splitlines():
        if line and not line.startswith(" "):
            current = line.rstrip(":")
        elif match := re.match(r"    --(\w+)", line):
            found[match[1]] = current
    return found


def test_every_setting_stands_under_its_group_once() -> None:
    assert headings() == {n: group.heading for group in GROUPS for n in group.model_fields}
    assert len(re.findall(r"^    --", help_text(), re.M)) == len(Settings.model_fields)


def test_defaults_and_what_is_allowed() -> None:
    page = " ".join(help_text().split())
    assert "--lr (default: 0.03)" in page
    assert "--extensions (default: [])" in page
    assert "--save_name (default: None)" in page
    assert "Takes one of SGD, AdamW." in page


def test_every_description_is_there() -> None:
    page = " ".join(help_text().split())
    for field in Settings.model_fields.values():
        assert " ".join((field.description or "").split()) in page


def test_it_fits_a_terminal() -> None:
    assert max(len(line) for line in help_text().splitlines()) <= 100
    assert help_text().endswith("\n")


def test_the_first_page_is_a_page_and_says_where_the_rest_is() -> None:
    page = first_help("train").splitlines()
    assert len(page) <= 40 and max(map(len, page)) <= 100
    flags = re.findall(r"^  --(\w+)", "\n".join(page), re.M)
    assert len(flags) == len(set(flags)) >= 15 and set(flags) <= set(Settings.model_fields)
    assert "usb-ext train --help-all" in "\n".join(page)


def test_settings_are_found_by_words_in_any_case() -> None:
    found = help_about(["Learning", "RATE"])
    assert "--lr " in found and "--num_warmup_iter" in found and "--seed" not in found
    assert (
        help_about(["--save-name"]).count("\n    --")
        == help_about(["save_name"]).count("\n    --")
        > 0
    )
    assert help_about(["nothing of this"]) == ""
    assert help_about([]) == help_text()
