"""Traces that embedded servers may leave behind."""

from pathlib import Path


def alive(pid: int) -> bool:
    """Whether a process of that id exists."""
    return Path(f"/proc/{pid}").exists()
