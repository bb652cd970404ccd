"""Bodies as OctoPrint and the services send them: recorded from OctoPrint, or as the services document them."""

import json
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "octoprint" / "recorded"


def recorded(beginning: str) -> list[Any]:
    """Return the recorded bodies whose names begin like this."""
    found = [json.loads(path.read_bytes()) for path in sorted(RECORDED.glob(f"{beginning}*.json"))]
    assert found, beginning
    return found


# OctoPrint

JOB = json.loads("""{
"job": {"file": {"name": "cube.gcode", "path": "a/cube.gcode", "display": "cube.gcode", "size": 1468987, "date": 1,
                 "origin": "local"},
        "estimatedPrintTime": 8811, "user": "u", "filament": {"tool0": {"length": 810, "volume": 5.36}}},
"progress": {"completion": 22.5, "filepos": 337942, "printTime": 276, "printTimeLeft": 912},
"state": "Printing"}""")
READING = json.loads("""{
"temperature": {"tool0": {"actual": 214.8, "target": 220.0, "offset": 0}, "bed": {"actual": 50.2, "target": null},
                "chamber": {"actual": null},
                "history": [{"time": 1395651928, "tool0": {"actual": 214.8, "target": 220.0}}]},
"sd": {"ready": true},
"state": {"text": "Operational", "flags": {"operational": true, "printing": false}}}""")
LAYER_VALUES = json.loads("""{
"currentFilename": "a.gcode", "fanSpeed": "-", "feedrate": "2400", "feedrateG0": "-", "feedrateG1": "2400",
"height": {"current": "2.00", "currentFormatted": "2.0", "total": "-", "totalFormatted": "-"},
"layer": {"averageLayerDuration": "0h:00m:01s", "averageLayerDurationInSeconds": 1, "current": "9",
          "lastLayerDuration": "0h:00m:01s", "lastLayerDurationInSeconds": 1, "total": "9"},
"print": {"changeFilamentCount": 0, "changeFilamentTimeLeft": "-", "changeFilamentTimeLeftInSeconds": 0,
          "estimatedChangedFilamentTime": "-", "estimatedEndTime": "18:01", "m73progress": "",
          "printerState": "printing", "progress": "90", "timeLeft": "1s", "timeLeftInSeconds": 1}}""")
"""What DisplayLayerProgress 1.28.0 responded in both OctoPrints, near the end of a file of Cura with ten layers."""
STORED = {
    "refs": {"thumbnail": "http://h/downloads/thumbs/local/a.gcode", "thumbnail_64x48": "http://h/x?size=64x48"},
    "thumbnail": "plugin/prusaslicerthumbnails/thumbnail/a.png?20261126",
}
UPLOADED = {"files": {"local": {"name": "a.gcode", "path": "a.gcode"}}, "done": True, "effectivePrint": True}
CONTROLS = {
    "controls": [{"name": "Home", "command": "G28"}, {"children": [{"name": "Fan", "commands": ["M106", "G4"]}]}]
}
LISTED = {
    "files": [
        {
            "name": "f",
            "path": "f",
            "type": "folder",
            "children": [{"path": "f/a.gcode", "type": "machinecode", "size": 1}],
        },
        {
            "display": "a.gcode",
            "path": "a.gcode",
            "type": "machinecode",
            "date": 1,
            "gcodeAnalysis": {"estimatedPrintTime": 9},
        },
    ],
}
COMMANDS = {"core": [{"action": "restart", "name": "Restart OctoPrint", "source": "core", "confirm": "Really?"}]}
UPDATES = json.loads("""{
"status": "updatePossible", "timestamp": 1795725626.4,
"environment": {"supported": true, "versions": [{"name": "Python", "current": "3.11.7", "minimum": "3.7"}]},
"storage": {"sufficient": true, "free": [{"name": "Plugin folder", "path": "/home/pi", "free": 41325973504}]},
"information": {
  "octoprint": {
    "displayName": "OctoPrint", "displayVersion": "1.11.8", "updateAvailable": true, "updatePossible": true,
    "releaseNotes": "https://github.com/OctoPrint/OctoPrint/releases/tag/2.0.0", "disabled": false,
    "compatible": true, "online": true, "error": null, "releaseChannels": {}, "releasedVersion": true,
    "information": {"local": {"name": "1.11.8", "value": "1.11.8"}, "needs_online": true,
                    "remote": {"name": "2.0.0", "value": "2.0.0", "release_notes": null}}},
  "octoeverywhere": {
    "displayName": "OctoEverywhere!", "displayVersion": "4.0.0", "updateAvailable": false, "updatePossible": true,
    "information": {"local": {"name": "4.0.0", "value": "4.0.0"}, "remote": {"name": "4.0.0", "value": "4.0.0"}}},
  "obico": {
    "displayName": "Obico for OctoPrint", "displayVersion": "2.6.1", "updateAvailable": false, "updatePossible": false,
    "information": {"local": {"name": "?", "value": "?"}, "remote": {"name": "?", "value": "?"}}}}}""")
EVENT = {"event": {"type": "PrinterStateChanged", "payload": {"state_id": "OFFLINE", "state_string": "Offline"}}}
FRAMES: list[Any] = [
    EVENT,
    {"event": {"type": "Error", "payload": {"error": "Heater", "reason": "firmware"}}},
    {"event": {"type": "Connected", "payload": {"port": "VIRTUAL", "baudrate": 115200, "connector": "serial"}}},
    {"event": {"type": "PrintStarted", "payload": {"name": "a.gcode", "path": "a.gcode", "user": "u", "size": 1}}},
    {"event": {"type": "PrintFailed", "payload": {"name": "a", "path": "a", "time": 1.5, "reason": "x", "error": "y"}}},
    {"event": {"type": "PrintPaused", "payload": {"name": "a.gcode", "path": "a.gcode", "user": "u", "progress": 7}}},
    {"event": {"type": "MovieDone", "payload": {"gcode": "a.gcode", "movie": "/x/a.mp4", "movie_basename": "a.mp4"}}},
    {"plugin": {"plugin": "action_command_prompt", "data": {"action": "show", "text": "Load?", "choices": ["a", "b"]}}},
    {
        "event": {
            "type": "plugin_softwareupdate_update_succeeded",
            "payload": {"target": "octoprint", "to_version": "2"},
        }
    },
    {"event": {"type": "SettingsUpdated", "payload": {"config_hash": "x"}}},
    {"connected": {"version": "2.0", "plugin_hash": "x", "permissions": []}},
    {"history": {"state": {"text": "Printing", "flags": {}}, "temps": [], "logs": ["x"]}},
]

# OctoEverywhere

INFO = json.loads("""{
"PrinterName": "Kitchen", "PrinterLocalIp": "127.0.0.1", "IsOnline": true,
"LastDisconnectTimeUtc": "2026-07-01T12:00:00Z", "LastConnectionTimeUtc": "2026-07-01T12:01:00.5+02:00",
"UserFacingPrinterUrl": "https://octoeverywhere.com/view/Kitchen",
"PrinterLimits": {"MaxDownloadFileSizeBytes": 104857600, "MaxUploadFileSizeBytes": 104857600,
                  "MaxSingleWebcamStreamLengthSeconds": 3600}}""")
GADGET = {"State": 3, "Status": "Looking good", "StatusColor": "g", "Rating": 9}
LIVE_LINK = {"LiveId": "abc", "Url": "https://octoeverywhere.com/live/abc", "ShortUrl": "https://oe.ink/abc"}
NOTIFICATION = json.loads("""{
"PrinterId": "p", "PrintId": "1", "EventType": 6, "PrinterName": "Kitchen", "FileName": "cube.gcode",
"SnapshotUrl": "https://octoeverywhere.com/snapshot/1.jpg", "DurationSec": 600, "Progress": 20.0,
"TimeRemainingSec": 2400, "ZOffsetMM": 1.2, "CurrentLayer": 6, "TotalLayers": 100, "Error": "Heater",
"PlatformErrorCode": 7, "SecretKey": "s"}""")
ACCOUNT_DELIVERY = json.loads("""{
"event": {"type": "PrintFailure", "is_warning": true, "print_paused": false},
"printer": {"id": 7, "name": "Kitchen"}, "print": {"id": 1, "filename": "cube.gcode"},
"img_url": "https://app.obico.io/media/tsd-pics/tagged/1.jpg"}""")
COMPLETION: dict[str, str] = json.loads("""{
"success": "true", "id": "conn-1", "url": "https://app-abcdef.octoeverywhere.com", "appApiToken": "token-1",
"authBasicHttpUser": "user-1", "authBasicHttpPassword": "password-1", "authBearerToken": "bearer-1",
"printername": "Kitchen", "userPrinterAccessUrl": "https://octoeverywhere.com/view/Kitchen",
"printerLastKnownLocalIp": "192.168.7.20", "octoPrintApiKey": "key-1"}""")
"""The parameters that the portal appends to the return address."""

# Obico

USAGE = {"total": 282, "monthly_cap": 314572800.0, "reset_in_seconds": 863999.99}
PREDICTION = {"normalized_p": 0.25}
ENDPOINT = "https://0123abcd:4567cdef@tunnel-1.app.obico.io"
