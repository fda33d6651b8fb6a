"""Each kind of error has the exit code that the documentation promises."""

import pytest

from usb_ext.core.errors import DataMissing, Interrupted, RunFailed, SettingsError, UsbExtError

CODES = [(UsbExtError, 1), (RunFailed, 1), (SettingsError, 2), (DataMissing, 3)]


@pytest.mark.parametrize(("kind", "code"), CODES)
def test_exit_codes(kind: type[UsbExtError], code: int) -> None:
    error = kind("what happened")
    assert error.exit_code == code
    assert str(error) == "what happened"
    assert isinstance(error, UsbExtError)


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_an_interrupted_run_ends_as_shells_expect(number: int, code: int) -> None:
    error = Interrupted("checkpoint written", number)
    assert error.exit_code == code
    assert str(error) == "checkpoint written"
    assert not hasattr(Interrupted, "exit_code")  # the code is the instance's own


def test_an_interruption_is_no_failure() -> None:
    assert not issubclass(Interrupted, RunFailed | SettingsError | DataMissing)
