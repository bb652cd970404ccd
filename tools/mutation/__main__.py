"""Run mutmut on the files of TARGETS, and print how many mutants their tests kill: `scripts/mutate [part of a name …]`.

A mutant is the file with one small change, such as `<` in place of `<=`. It is killed when a test fails or hangs. The
result is a failure if the tests kill less than LEAST of the mutants of a file.
"""

import json
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile

ROOT = Path(__file__).parents[2]
PACKAGE = "custom_components/octoprint_tunnel"
TARGETS = {
    "api/transport/router.py": "tests/api/transport/test_router.py",
    "api/octoprint/reader.py": "tests/api/octoprint/test_reader.py",
    "pace.py": "tests/test_pace.py",
    "api/json_object.py": "tests/api/test_json_object.py",
}
LEAST = 0.9
KILLED = ("killed", "timeout", "segfault")


def main(parts: list[str]) -> int:
    """Check the files with one of these parts in their name, by default all; return the exit status."""
    chosen = [name for name in TARGETS if not parts or any(part in name for part in parts)]
    shares = [check(name) for name in chosen]
    return 0 if shares and min(shares) >= LEAST else 1


def check(name: str) -> float:
    """Print the result for a file, with the changes that no test detects; return the share of killed mutants."""
    with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as path:
        folder = Path(path)
        copy_repository(folder, name)
        mutmut(folder, "run")
        mutmut(folder, "export-cicd-stats")
        counts = json.loads((folder / "mutants" / "mutmut-cicd-stats.json").read_text())
        killed = sum(counts[status] for status in KILLED)
        for line in mutmut(folder, "results").splitlines():
            mutant, _, status = line.strip().partition(": ")
            if status not in KILLED:
                print(mutmut(folder, "show", mutant))
    print(f"{name}: {killed} of {counts['total']} mutants killed ({killed / counts['total']:.1%})", flush=True)
    return float(killed / counts["total"])


def copy_repository(folder: Path, name: str) -> None:
    """Copy what the tests need, with settings that mutate one file and run its tests."""
    for each in ("custom_components", "tests"):
        shutil.copytree(ROOT / each, folder / each, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "mutants").mkdir()
    (folder / "mutants" / ".dev").symlink_to(ROOT / ".dev")  # OctoPrint is in it
    settings = {
        "source_paths": [PACKAGE.partition("/")[0]],
        "only_mutate": [f"{PACKAGE}/{name}"],
        "also_copy": ["conftest.py"],
        "pytest_add_cli_args": ["-p", "tests.newest", "-p", "no:cacheprovider"],
        "pytest_add_cli_args_test_selection": [TARGETS[name]],
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text("\n".join([project, "[tool.mutmut]", *lines]), encoding="utf-8")


def mutmut(folder: Path, *words: str) -> str:
    """Run a command of mutmut, and return its output; ends the program with the output if the command fails."""
    command = [sys.executable, "-m", "mutmut", *words]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
