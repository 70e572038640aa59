"""What all messages between the parent and a worker have in common."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, kw_only=True, tag=True):
    """Base of every request and reply; the class's name is its tag."""
