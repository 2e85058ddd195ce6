"""The doors to flyteidl and flytekit; neither is imported before one of them is opened."""

from .messages import MessageLike, message_of, optional_message_of, pb2_of

__all__ = ["MessageLike", "message_of", "optional_message_of", "pb2_of"]
