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
        if error.name not in ("click", "rich"):
            raise
        sys.exit(f"the flyteasync command needs {error.name}: pip install 'flyteasync[cli]'")
    sys.exit(status)
