"""Registers the workflow of `flyteasync demo`, so that the service has something to launch."""

import asyncio

from flyteasync import Config, FlyteRemote
from flyteasync.cli.demo_workflow import register


async def main() -> None:
    """Register it with the Flyte that the environment names."""
    async with FlyteRemote(Config.auto()) as remote:
        await register(remote.admin, "flytesnacks", "development")


if __name__ == "__main__":
    asyncio.run(main())
