"""One recorder a dataset: a lock that the operating system takes back when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from datetime import datetime
from pathlib import Path

from capture.errors import StorageError
from capture.storage.disk_errors import explained


class FolderLock:
    """Holds `path` locked (flock) until `release`.

    On NFS, Linux turns flock into a lock at the server; it excludes other hosts where the server's lock service works,
    and the lock of a host that lost its power stays until the server gives it up (NFSv4: about 90 s).

    Raises:
        StorageError: another recorder holds it (says which), or the file system has no locks.
    """

    def __init__(self, path: Path) -> None:
        with explained(path):
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._lock(path)
        except BaseException:
            os.close(self._handle)
            raise

    def release(self) -> None:
        """Give it back. The file stays: removing it would let two recorders lock two files of one name."""
        os.close(self._handle)

    def _lock(self, path: Path) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._handle, 2**12).decode(errors="replace")
            raise StorageError(
                f"{path.parent}: another recorder is at work there ({_in_words(holder)}); "
                f"wait for it or stop it, or record into another folder"
            ) from None
        except OSError as error:
            raise StorageError(
                f"{path.parent}: cannot be locked ({error.strerror}), so nothing would keep a second recorder out; "
                f"record to a local disk and copy the dataset afterwards"
            ) from error
        us = {"pid": os.getpid(), "host": socket.gethostname(), "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}
        with explained(path):
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, json.dumps(us).encode(), 0)


def _in_words(holder: str) -> str:
    try:
        return "process {pid} on {host}, since {since}".format(**json.loads(holder))
    except (ValueError, KeyError, TypeError):
        return "which has only just begun"
