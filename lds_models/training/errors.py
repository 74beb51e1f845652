"""What goes wrong in training."""


class TrainingError(RuntimeError):
    """Training cannot start or go on. The message says why and what to do."""

    exit_code = 1
