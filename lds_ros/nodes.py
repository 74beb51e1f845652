"""Other nodes: whether they still live."""

from __future__ import annotations

import socket
from urllib.parse import urlparse

import rosgraph


def node_lives(name: str, timeout: float = 1.0) -> bool:
    """Whether the node of this name still takes connections; True where no master answers, as it cannot be told."""
    try:
        uri = rosgraph.Master("/lds").lookupNode(name)
    except rosgraph.MasterError:
        return False  # the master does not know it
    except OSError:
        return True
    address = urlparse(uri)
    try:
        socket.create_connection((address.hostname, address.port), timeout).close()
    except OSError:
        return False
    return True
