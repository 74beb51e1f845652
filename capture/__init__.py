"""Recording real multi-view scenes: cameras, arms, motion, crash-safe storage, calibration, a simulated rig."""
