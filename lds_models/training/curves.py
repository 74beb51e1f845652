"""A run's curves: metrics.csv, which programs read, and TensorBoard, which people look at."""

from __future__ import annotations

import csv
from contextlib import suppress
from pathlib import Path

from datasets.atomic import whole_file


class Curves:
    """Writes both into the folder `run`. Rows after `step`, of an earlier run that went further, are dropped."""

    def __init__(self, run: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        path = run / "metrics.csv"
        kept = [(at, name, repr(value)) for at, name, value in read_curves(path) if at <= step]
        with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("step", "name", "value"), *kept])
        self._file = open(path, "a", newline="", encoding="utf-8")  # noqa: SIM115 (closed by __exit__)
        self._csv = csv.writer(self._file)
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)

    def add(self, step: int, row: dict[str, float]) -> None:
        for name, value in row.items():
            self._csv.writerow([step, name, repr(value)])
            self._board.add_scalar(name, value, step)
        self._file.flush()

    def flush(self) -> None:
        self._file.flush()
        self._board.flush()

    def __enter__(self) -> Curves:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._board.close()


class NoCurves:
    """What processes write that leave it to another one: nothing."""

    def add(self, step: int, row: dict[str, float]) -> None:
        pass

    def flush(self) -> None:
        pass

    def __enter__(self) -> NoCurves:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def read_curves(path: Path) -> list[tuple[int, str, float]]:
    """Step, name and value of each row of a metrics.csv; nothing where there is no such file."""
    if not path.is_file():
        return []
    points = []
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.reader(line for line in file if line.endswith("\n")):  # a killed run can leave a torn last line
            with suppress(ValueError):  # of the heading
                step, name, value = row
                points.append((int(step), name, float(value)))
    return points
