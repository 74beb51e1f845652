"""Subscriptions that exist while somebody listens to what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import rospy


class LazySubscriptions:
    """Nothing is received, and nothing decoded, while no publisher has a listener.

    Args:
        publishers: what is made.
        subscribe: makes the subscribers.
        always: whether they are needed without listeners, too.
    """

    def __init__(
        self,
        publishers: Sequence[rospy.Publisher],
        subscribe: Callable[[], Sequence[rospy.Subscriber]],
        always: bool = False,
    ) -> None:
        self._publishers, self._subscribe, self._always = publishers, subscribe, always
        self._subscribers: Sequence[rospy.Subscriber] = ()

    @property
    def are_there(self) -> bool:
        return bool(self._subscribers)

    def update(self) -> None:
        """Subscribe or unsubscribe as is needed now; to be called again and again, by one thread."""
        needed = self._always or any(publisher.get_num_connections() for publisher in self._publishers)
        if needed and not self._subscribers:
            self._subscribers = self._subscribe()
        elif not needed and self._subscribers:
            for subscriber in self._subscribers:
                subscriber.unregister()
            self._subscribers = ()
