"""Backtest and sweep results as bytes and back: a JSON header and plain arrays, never pickle."""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.format import header_data_from_array_1_0, write_array_header_1_0

from investlab.analytics.overfitting import ReturnMoments
from investlab.backtest.costs import Costs
from investlab.backtest.limits import Limits
from investlab.backtest.portfolio_state import PortfolioState
from investlab.backtest.rates import Rates
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import StrategyDescription
from investlab.backtest.sweep_result import SweepResult
from investlab.backtest.weight_accounts import CARRY
from investlab.core.errors import Corrupt
from investlab.core.hashing import canonical_json
from investlab.market.panel import PanelSource
from investlab.schemas.backtest import Execution, LimitSpec, PortfolioStateSpec, RateSpec
from investlab.schemas.market import Adjust, PriceBasis

FORMAT = 1
PIECE_BYTES = 2**20
SERIES = ("nav", "cash", "income")
FRAMES = ("positions", "prices")
SESSION_COLUMNS = ("session", "decided")
Result = BacktestResult | SweepResult
Arrays = dict[str, np.ndarray]


def encode_result(result: Result) -> bytes:
    """Return a result as bytes; equal results give equal bytes."""
    return b"".join(encoded_result(result))


def encoded_result(result: Result) -> Iterator[bytes]:
    """Yield the bytes of a result piece by piece, so that a large one is never held twice."""
    arrays: Arrays = {}
    header = _sweep_header(result, arrays) if isinstance(result, SweepResult) else _backtest_header(result, arrays, "")
    text = canonical_json({"format": FORMAT, "arrays": list(arrays), **header}).encode()
    compressor = zlib.compressobj(level=1)
    for given in (np.frombuffer(text, dtype=np.uint8), *arrays.values()):
        values, head = np.ascontiguousarray(given), BytesIO()
        write_array_header_1_0(head, header_data_from_array_1_0(values))
        yield compressor.compress(head.getbuffer())
        content = values.reshape(-1).view(np.uint8)
        for start in range(0, len(content), PIECE_BYTES):
            yield compressor.compress(content[start : start + PIECE_BYTES])
    yield compressor.flush()


def decode_result(content: bytes) -> Result:
    """Return the result that `encode_result` turned into bytes.

    Raises:
        Corrupt: The bytes are no result.
    """
    try:
        stream = BytesIO(zlib.decompress(content))
        header = json.loads(np.load(stream, allow_pickle=False).tobytes())
        arrays = {name: np.load(stream, allow_pickle=False) for name in header["arrays"]}
        return _sweep(header, arrays) if header["kind"] == "sweep" else _backtest(header, arrays, "")
    except (zlib.error, ValueError, KeyError, TypeError, EOFError) as error:
        raise Corrupt("A stored result cannot be read.", remedy="Restore it from a backup or run it again.") from error


def _common_header(result: Result) -> dict[str, Any]:
    return {
        "strategy": asdict(result.strategy),
        "costs": result.costs.to_spec().model_dump(),
        "execution": result.execution,
        "initial_cash": result.initial_cash,
        "basis": result.basis,
        "panel_id": result.panel_id,
        "source": asdict(result.source),
        "instruments": result.instruments.reset_index().to_dict(orient="records"),
        "notes": list(result.notes),
        "run_id": result.run_id,
        "code_identity": result.code_identity,
    }


def _common_fields(header: Mapping[str, Any]) -> dict[str, Any]:
    source = dict(header["source"])
    source["as_of"] = datetime.fromisoformat(source["as_of"]) if source["as_of"] else None
    source["biases"], source["adjust"] = tuple(source["biases"]), Adjust(source["adjust"])
    return {
        "strategy": StrategyDescription(**header["strategy"]),
        "costs": Costs(**header["costs"]),
        "execution": Execution(header["execution"]),
        "initial_cash": header["initial_cash"],
        "basis": PriceBasis(header["basis"]),
        "panel_id": header["panel_id"],
        "source": PanelSource(**source),
        "instruments": pd.DataFrame(header["instruments"]).set_index("symbol"),
        "notes": tuple(header["notes"]),
        "run_id": header["run_id"],
        "code_identity": header["code_identity"],
    }


def _backtest_header(result: BacktestResult, arrays: Arrays, prefix: str) -> dict[str, Any]:
    arrays[f"{prefix}sessions"] = result.nav.index.to_numpy("datetime64[D]").astype(np.int64)
    for name in SERIES:
        arrays[prefix + name] = getattr(result, name).to_numpy(np.float64)
    for name in FRAMES:
        arrays[prefix + name] = getattr(result, name).to_numpy(np.float64)
    if result.benchmark is not None:
        arrays[f"{prefix}benchmark"] = result.benchmark.to_numpy(np.float64)
    if result.opening is not None:
        arrays[f"{prefix}opening"] = result.opening.to_numpy(np.float64)
    if result.carry is not None:
        arrays[f"{prefix}carry"] = result.carry.to_numpy(np.float64)
    texts = {}
    for name in (str(column) for column in result.fills.columns):
        values = result.fills[name]
        if name in SESSION_COLUMNS:
            arrays[f"{prefix}fills.{name}"] = values.to_numpy("datetime64[D]").astype(np.int64)
        elif pd.api.types.is_numeric_dtype(values):
            arrays[f"{prefix}fills.{name}"] = values.to_numpy()
        else:
            texts[name] = values.astype(str).tolist()
    return {
        "kind": "backtest",
        **_common_header(result),
        "whole_shares": result.whole_shares,
        "limits": result.limits.to_spec().model_dump(mode="json"),
        "rates": result.rates.to_spec().model_dump(mode="json"),
        "final_state": _state_header(result.final_state),
        "metrics": [[name, value.hex()] for name, value in result.metrics.items()],
        "fill_columns": [str(name) for name in result.fills.columns],
        "fill_texts": texts,
    }


def _backtest(header: Mapping[str, Any], arrays: Arrays, prefix: str) -> BacktestResult:
    fields = _common_fields(header)
    index = _index(arrays[f"{prefix}sessions"], "session")
    columns = pd.Index(fields["instruments"].index, name="symbol")
    series: dict[str, Any] = {name: pd.Series(arrays[prefix + name], index=index, name=name) for name in SERIES}
    frames: dict[str, Any] = {
        name: pd.DataFrame(arrays[prefix + name], index=index, columns=columns) for name in FRAMES
    }
    opening = arrays.get(f"{prefix}opening")
    benchmark, carry = arrays.get(f"{prefix}benchmark"), arrays.get(f"{prefix}carry")
    return BacktestResult(
        **fields,
        **series,
        **frames,
        fills=_fills(header, arrays, prefix),
        metrics={name: float.fromhex(value) for name, value in header["metrics"]},
        whole_shares=header["whole_shares"],
        benchmark=None if benchmark is None else pd.Series(benchmark, index=index, name="benchmark"),
        carry=None if carry is None else pd.DataFrame(carry, index=index, columns=pd.Index(CARRY)),
        opening=None if opening is None else pd.Series(opening, index=columns, name="opening"),
        **_beyond_costs(header),
    )


def _state_header(state: PortfolioState | None) -> dict[str, Any] | None:
    """Return a state without what is as always, which keeps the parts of many instruments short."""
    return None if state is None else state.to_spec().model_dump(mode="json", exclude_defaults=True)


def _beyond_costs(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return limits, rates and final state; results stored before there were any have the defaults."""
    state = header.get("final_state")
    return {
        "limits": Limits.from_spec(LimitSpec.model_validate(header.get("limits", {}))),
        "rates": Rates.from_spec(RateSpec.model_validate(header.get("rates", {}))),
        "final_state": None if state is None else PortfolioState.from_spec(PortfolioStateSpec.model_validate(state)),
    }


def _fills(header: Mapping[str, Any], arrays: Arrays, prefix: str) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for name in header["fill_columns"]:
        if name in SESSION_COLUMNS:
            columns[name] = _index(arrays[f"{prefix}fills.{name}"], None)
        elif name in header["fill_texts"]:
            columns[name] = pd.Series(header["fill_texts"][name], dtype=str)
        else:
            columns[name] = arrays[f"{prefix}fills.{name}"]
    return pd.DataFrame(columns)


def _sweep_header(result: SweepResult, arrays: Arrays) -> dict[str, Any]:
    best = _backtest_header(result.best_result, arrays, "best.")
    plain = {}
    for name in result.table.columns:
        if name in result.parameters and result.table[name].dtype != np.int64:
            plain[str(name)] = result.table[name].tolist()
        elif name in result.parameters:  # a million windows are no text
            arrays[f"table.{name}"] = result.table[name].to_numpy()
        else:
            arrays[f"table.{name}"] = result.table[name].to_numpy(np.float64)
    if result.block_moments is not None:
        arrays["block_moments"] = result.block_moments
    moments = asdict(result.best_moments)
    return {
        "kind": "sweep",
        **_common_header(result),
        "parameters": list(result.parameters),
        "parameter_values": plain,
        "columns": [str(name) for name in result.table.columns],
        "invalid": result.invalid,
        "best": best,
        "best_moments": {name: value.hex() if isinstance(value, float) else value for name, value in moments.items()},
        "executor": result.executor,
        "worker_pids": list(result.worker_pids),
        "reason": result.reason,
        "elapsed_seconds": result.elapsed_seconds,
        "resumed_trials": result.resumed_trials,
        "counted": result.counted,
        "cumulative_trials": result.cumulative_trials,
    }


def _sweep(header: Mapping[str, Any], arrays: Arrays) -> SweepResult:
    values = header["parameter_values"]
    table = pd.DataFrame({n: values[n] if n in values else arrays[f"table.{n}"] for n in header["columns"]})
    stored: dict[str, Any] = header["best_moments"]
    moments: dict[str, Any] = {n: float.fromhex(v) if isinstance(v, str) else v for n, v in stored.items()}
    return SweepResult(
        **_common_fields(header),
        table=table.set_axis(pd.RangeIndex(len(table), name="trial"), axis=0),
        parameters=tuple(header["parameters"]),
        invalid=header["invalid"],
        best_result=_backtest(header["best"], arrays, "best."),
        best_moments=ReturnMoments(**moments),
        executor=header["executor"],
        worker_pids=tuple(header["worker_pids"]),
        reason=header["reason"],
        elapsed_seconds=header["elapsed_seconds"],
        resumed_trials=header.get("resumed_trials", 0),
        counted=header["counted"],
        cumulative_trials=header["cumulative_trials"],
        block_moments=arrays.get("block_moments"),
    )


def _index(days: np.ndarray, name: str | None) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(days.astype("datetime64[D]").astype("datetime64[ns]"), name=name)
