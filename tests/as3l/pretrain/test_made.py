"""What pre-training has made is kept, and never mixed with other settings."""

import json
from pathlib import Path

import pytest
from support.ssl import pretrained, tiny

from usb_ext.as3l.pretrain.made import FILES, finished, made_with
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import RunFolder, sealed


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


def test_a_record_that_was_changed_is_damaged(tmp_path: Path) -> None:
    """Its settings are the same; its numbers would be told."""
    settings = tiny(tmp_path).settings
    for name in FILES:
        (tmp_path / name).touch()
    record = json.dumps(sealed({"made_with": made_with(settings), "spread": 0.5}))
    (tmp_path / "pretrain.json").write_text(record)
    found = finished(RunFolder(tmp_path), settings)
    assert found is not None and found["spread"] == 0.5
    (tmp_path / "pretrain.json").write_text(record.replace("0.5", "0.9"))
    with pytest.raises(DataMissing, match="pretrain.json is damaged .* --resume makes it again"):
        finished(RunFolder(tmp_path), settings)
