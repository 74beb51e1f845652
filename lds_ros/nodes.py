"""The roscore and other nodes: whether they are there."""

from __future__ import annotations

import os
import socket
import sys
from urllib.parse import urlparse
from xmlrpc.client import Error as XmlError

import rosgraph


def roscore_answers(node: str) -> bool:
    """Whether a roscore answers; where none does, stderr tells, in the name of `node`: rospy would wait for ever."""
    if rosgraph.is_master_online():
        return True
    where = os.environ.get("ROS_MASTER_URI", "an unset ROS_MASTER_URI")
    told = f"{node}: no roscore at {where}: start one with `roscore`, or set ROS_MASTER_URI to the robot's"
    print(told, file=sys.stderr)
    return False


def node_lives(name: str, timeout: float = 1.0) -> bool:
    """Whether the node of this name still takes connections; True where no master answers, as it cannot be told.

    Args:
        timeout: for the node to answer, seconds.
    """
    try:
        uri = rosgraph.Master("/lds").lookupNode(name)
    except rosgraph.MasterError:
        return False  # the master does not know it
    except (OSError, XmlError, rosgraph.MasterException):
        return True
    address = urlparse(uri)
    try:
        socket.create_connection((address.hostname, address.port), timeout).close()
    except OSError:
        return False
    return True
