"""The demo finds errors in Home Assistant's log."""

from pathlib import Path

from .log import Log

_AT = "2026-11-21 03:15:48.024"
_USUAL = f"{_AT} WARNING (SyncWorker_0) [homeassistant.loader] We found a custom integration octoprint_tunnel which …"
_FFMPEG = f"""{_AT} ERROR (MainThread) [haffmpeg.core] FFmpeg fails
Traceback (most recent call last):
  File "subprocess.py", line 1990, in _execute_child
FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'"""
_OWN = f"{_AT} ERROR (MainThread) [custom_components.octoprint_tunnel] It broke"
_NAMED = f"""{_AT} ERROR (MainThread) [homeassistant.config_entries] Error setting up entry
Traceback (most recent call last):
  File "custom_components/octoprint_tunnel/__init__.py", line 26, in async_setup_entry
ZeroDivisionError: division by zero"""
_DEPRECATED = (
    f"{_AT} WARNING (MainThread) [homeassistant.helpers.frame] Detected that custom integration 'octoprint_tunnel'"
)


def written(tmp_path: Path, *records: str) -> Log:
    """Return a log with these records."""
    log = Log(tmp_path / "home-assistant.log")
    log.path.write_text("".join(f"{record}\n" for record in records))
    return log


def test_errors_of_other_integrations_at_the_start_are_ignored(tmp_path: Path) -> None:
    """A missing program is ignored, and the notice about custom integrations too."""
    log = written(tmp_path, _USUAL, _FFMPEG)
    log.mark_start_finished()
    assert log.errors() == []
    assert log.warnings() == []


def test_errors_about_the_integration_are_found_at_any_time(tmp_path: Path) -> None:
    """Also errors of others that name it; each has all of its lines."""
    log = written(tmp_path, _OWN, _FFMPEG, _NAMED)
    assert log.errors() == [_OWN, _NAMED]


def test_tracebacks_after_the_start_are_found(tmp_path: Path) -> None:
    """Also those of other integrations."""
    log = written(tmp_path, _FFMPEG)
    log.mark_start_finished()
    with log.path.open("a") as file:
        file.write(f"{_FFMPEG}\n")
    assert log.errors() == [_FFMPEG]


def test_warnings_about_the_integration_are_found(tmp_path: Path) -> None:
    """Deprecated use is a warning."""
    log = written(tmp_path, _USUAL, _DEPRECATED)
    assert log.errors() == []
    assert log.warnings() == [_DEPRECATED]


def test_an_empty_log_has_no_errors(tmp_path: Path) -> None:
    """Installations are returned once."""
    log = Log(tmp_path / "home-assistant.log")
    assert log.errors() == []
    assert log.worst() == ""
    log.path.write_text(
        f"{_AT} INFO (SyncWorker_1) [homeassistant.util.package] Attempting install of mutagen==1.48.1\n"
    )
    assert log.new_installs() == ["mutagen==1.48.1"]
    assert log.new_installs() == []
