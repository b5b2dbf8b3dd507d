"""Ranks within each row."""

import numpy as np


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 1 (lowest) in each row, equal values sharing the mean of theirs; NaN keeps no rank."""
    rows, columns = values.shape
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    begins = np.ones((rows, columns), dtype=np.bool_)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    ends = np.ones((rows, columns), dtype=np.bool_)
    ends[:, :-1] = begins[:, 1:]
    places = np.broadcast_to(np.arange(columns), (rows, columns))
    first = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, places, columns)[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty((rows, columns))
    np.put_along_axis(ranks, order, (first + last) / 2.0 + 1.0, axis=1)
    ranks[np.isnan(values)] = np.nan
    return ranks


def scaled_ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks in each row from −0.5 (lowest) to 0.5 (highest); a value without any other beside it is at 0."""
    counts = np.sum(~np.isnan(values), axis=1, keepdims=True)
    return (average_ranks(values) - (counts + 1.0) / 2.0) / np.maximum(counts - 1.0, 1.0)
