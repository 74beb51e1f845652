"""Training: what an experiment is (`experiment`), and the loop that carries it out, on one process or many (`loop`)."""
