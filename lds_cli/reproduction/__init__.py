"""The LDS paper's experiments as steps, each a command line of `lds` itself.

`budgets` says how much is spent, `experiments` which steps that makes, `steps` what a step is. `estimate` measures how
long they will take, `ledger` knows which are done, `child` does one, `local` and `slurm` do all, `page` tells what came
out.
"""
