"""The `flyteasync` command."""

import sys


def main() -> None:
    """Run the command line, and exit.

    What the commands need comes with the extra `cli`; without it, this says so.
    """
    try:
        from .main import run

        status = run()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("click", "rich"):
            raise
        sys.exit(f"the flyteasync command needs {missing}: pip install 'flyteasync[cli]'")
    sys.exit(status)
