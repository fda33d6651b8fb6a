"""A small, seeded part of the campaign on settings, for every run of the suite."""

from campaign.settings import edge_values, mutated_files, two_steps


def test_mutated_files_are_read_or_refused() -> None:
    kind = mutated_files(40, seed=11)
    assert kind.failures == [] and kind.ends["refused"] > 10


def test_edge_values_are_taken_or_refused() -> None:
    kind = edge_values(300, seed=11)
    assert kind.failures == [] and kind.ends["ok"] > 10 and kind.ends["refused"] > 10


def test_what_is_accepted_trains_for_two_steps_or_says_why_not() -> None:
    kind = two_steps(6, seed=11)
    assert kind.failures == [] and kind.ends["ok"] > 0
