"""How a node runs, and whether the roscore and other nodes are there."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.parse import urlparse
from xml.parsers.expat import ExpatError
from xmlrpc.client import Error as XmlError

import rosgraph
import rospy

# What asking the roscore, or a node, raises where it is away, or dies while it answers.
NO_ANSWER = (OSError, HTTPException, ExpatError, XmlError, rosgraph.MasterException)


class MissingParameter(Exception):
    """A parameter that a node cannot do without is not set."""

    exit_code = 2


def required_parameter(name: str) -> Any:
    """The value of a parameter of this node, as `~name`. Raises MissingParameter where it is not set."""
    if not rospy.has_param(name):
        raise MissingParameter(f"the parameter {name} is not set")
    return rospy.get_param(name)


def run_node(
    name: str, body: Callable[[], int | None], *failures: type[Exception], ends_with_roscore: bool = False
) -> int:
    """Do what a node does, from its start to its end, and return its exit code.

    Args:
        name: of the node; the roscore knows it by that, or by what the launch file calls it.
        body: returns the exit code where it is not 0.
        failures: what may end the node by no fault of its code. They become one line in the log; the exit code is the
            error's `exit_code`, else 1, and 0 where the node was shut down, which ends much that others waited for.
        ends_with_roscore: the node ends, with 1, where the roscore was started anew and does not know it.
    """
    if not roscore_answers(f"{name}_node"):
        return 1
    rospy.init_node(name)
    registration = Registration() if ends_with_roscore else None
    try:
        code = body() or 0
    except (MissingParameter, rospy.ROSInterruptException, *failures) as error:
        code = 0 if rospy.is_shutdown() else _told(name, error)
    return 1 if registration and registration.is_lost else code


def _told(name: str, error: Exception) -> int:
    rospy.logfatal("%s_node cannot run: %s", name, error)
    return getattr(error, "exit_code", 1)


def roscore_answers(node: str) -> bool:
    """Whether a roscore answers; where none does, stderr tells, in the name of `node`: rospy would wait for ever."""
    if rosgraph.is_master_online():
        return True
    where = os.environ.get("ROS_MASTER_URI", "an unset ROS_MASTER_URI")
    told = f"{node}: no roscore at {where}: start one with `roscore`, or set ROS_MASTER_URI to the robot's"
    print(told, file=sys.stderr)
    return False


class Registration:
    """Ends this node once the roscore does not know it any more.

    A roscore that was started anew knows none of the nodes that ran before: they go on talking to those that they have
    found, and nobody finds them any more. While no roscore answers, those who found one another go on.

    What is looked for is a service that rospy registers as the node starts and never again: by its name alone the
    roscore would know a node that has subscribed to one more topic since, and nothing that it published before.
    """

    INTERVAL = 3.0  # seconds between two looks

    def __init__(self) -> None:
        self.is_lost = False
        self._service = f"{rospy.get_name()}/get_loggers"
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        missing = 0
        while missing < 2:  # a look between the roscore's start and a registration that is under way does not count
            time.sleep(self.INTERVAL)
            try:
                rosgraph.Master("/lds").lookupService(self._service)
                missing = 0
            except rosgraph.MasterError:
                missing += 1
            except NO_ANSWER:
                pass
        self.is_lost = True
        rospy.logfatal("the roscore was started anew and does not know this node: start it again, too")
        rospy.signal_shutdown("the roscore was started anew")


def node_lives(name: str, timeout: float = 1.0) -> bool:
    """Whether the node of this name still takes connections; True where no master answers, as it cannot be told.

    Args:
        timeout: for the node to answer, seconds.
    """
    try:
        uri = rosgraph.Master("/lds").lookupNode(name)
    except rosgraph.MasterError:
        return False  # the master does not know it
    except NO_ANSWER:
        return True
    address = urlparse(uri)
    try:
        socket.create_connection((address.hostname, address.port), timeout).close()
    except OSError:
        return False
    return True
