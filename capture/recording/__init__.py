"""Recording scenes: approach a view, take it, store it, scene after scene."""
