"""An async-first Python SDK for driving Flyte 1.x executions."""
