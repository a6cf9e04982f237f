"""Objectives: what the dream raises, as functions of a layer's activation (B, C, h, w).

Source: google/deepdream, dream.ipynb (``objective_L2``).
"""

from __future__ import annotations

from torch import Tensor

from livedream.networks.backend import Objective


def layer_l2(activation: Tensor) -> Tensor:
    """Half the squared norm of the whole layer: more of whatever it already sees."""
    return 0.5 * activation.float().square().sum()


def channel_l2(channel: int) -> Objective:
    """Half the squared norm of one channel; counts from 0 and wraps past the layer's last."""

    def objective(activation: Tensor) -> Tensor:
        return 0.5 * activation[:, channel % activation.shape[1]].float().square().sum()

    return objective


def objective_for(channel: int) -> Objective:
    """The objective of the setting ``channel``: -1 is the whole layer."""
    return layer_l2 if channel < 0 else channel_l2(channel)
