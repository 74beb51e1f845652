"""A table, an arm and a wrist camera in MuJoCo: the stand-in where there is no robot."""
