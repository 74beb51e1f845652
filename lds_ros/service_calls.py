"""Calls of services that may take for ever to answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

import rospy

POLL = 0.1  # seconds


def call_service(name: str, kind: Any, patience: float, interrupted: Callable[[], bool], *arguments: object) -> Any:
    """What a service answers; None where `interrupted()` became true before.

    Args:
        kind: of service, as generated of a .srv file; `arguments` are the fields of its request.
        patience: seconds for the service to be there.

    Raises:
        rospy.ROSException, rospy.ServiceException: it is not there, or failed.
    """
    call: Future[Any] = Future()
    threading.Thread(target=_call, args=(call, name, kind, patience, arguments), daemon=True).start()
    while not call.done():
        if interrupted():
            return None
        wait([call], POLL)
    return call.result()


def _call(call: Future[Any], name: str, kind: Any, patience: float, arguments: tuple[object, ...]) -> None:
    try:
        rospy.wait_for_service(name, patience)
        call.set_result(rospy.ServiceProxy(name, kind)(*arguments))
    except Exception as error:  # whatever it is, it is for who waits
        call.set_exception(error)
