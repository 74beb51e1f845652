"""Where to look from and how to get there: viewpoints, kinematics, collisions, timed paths. Plain Python on MuJoCo."""
