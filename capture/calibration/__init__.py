"""Camera intrinsics and hand-eye pose, with residuals and a verdict in words."""
