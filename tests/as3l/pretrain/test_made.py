"""What pre-training has made is kept, and never mixed with other settings."""

from pathlib import Path

import pytest
from support.ssl import pretrained

from usb_ext.core.errors import SettingsError


def test_what_is_there_is_kept_and_other_settings_are_refused(made: Path) -> None:
    before = (made / "ssl" / "features.npz").stat().st_mtime_ns
    told = pretrained(made)
    assert told is not None and "made before" in told
    with pytest.raises(SettingsError, match=r"ssl_lr \(0\.1 then, 0\.2 now\)"):
        pretrained(made, ssl_lr=0.2)
    assert (made / "ssl" / "features.npz").stat().st_mtime_ns == before


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    pretrained(tmp_path, stop_after=2)
    with pytest.raises(SettingsError, match="--resume"):
        pretrained(tmp_path)
    with pytest.raises(SettingsError, match=r"ssl_crop_min \(0\.2 then, 0\.5 now\)"):
        pretrained(tmp_path, resume=True, ssl_crop_min=0.5)
