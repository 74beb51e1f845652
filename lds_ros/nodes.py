"""The roscore and other nodes: whether they are there."""

from __future__ import annotations

import os
import socket
import sys
import time
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


class Registration:
    """Whether the roscore still knows this node, looked up now and then.

    A roscore that was started anew knows none of the nodes that ran before: they go on talking to those that they have
    found, and nobody finds them any more.
    """

    INTERVAL = 3.0  # seconds between two looks

    def __init__(self, node: str) -> None:
        self._node, self._looked, self._missing = node, time.monotonic(), 0

    def is_lost(self) -> bool:
        """True where two looks in a row found a roscore that does not know the node; at once where no look is due."""
        if time.monotonic() - self._looked >= self.INTERVAL:
            self._looked = time.monotonic()
            try:
                rosgraph.Master("/lds").lookupNode(self._node)
                self._missing = 0
            except rosgraph.MasterError:
                self._missing += 1
            except (OSError, XmlError, rosgraph.MasterException):
                pass  # no roscore answers: who found one another goes on
        return self._missing >= 2


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
