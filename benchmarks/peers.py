"""The other libraries, set up the way their users would for double precision on one thread."""

from __future__ import annotations

from typing import Any


def load_torch() -> Any:
    import torch

    torch.set_num_threads(1)
    return torch


def load_jax() -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    return jax


def load_mygrad() -> Any:
    import mygrad

    mygrad.turn_memory_guarding_off()  # as its manual advises for speed
    return mygrad
