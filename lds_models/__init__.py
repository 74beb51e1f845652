"""Unsupervised object-centric models with the latent duplicate suppression (LDS) prior: training and evaluation."""
