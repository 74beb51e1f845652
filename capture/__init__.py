"""Recording real multi-view scenes: cameras, arms, motion, storage that survives crashes, calibration, a simulated rig."""
