"""The `lds` command. Heavy packages are imported inside the commands that need them, so that `lds --help` is quick."""
