"""Out-of-sample evaluations as bytes and back: a JSON header, plain arrays and whole backtests, never pickle."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from io import BytesIO
from typing import Any, cast

import numpy as np
import pandas as pd

from investlab.analytics.out_of_sample import CombinatorialPlan, WalkForwardPlan
from investlab.backtest.costs import Costs
from investlab.backtest.purged_result import CrossValidationResult
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import StrategyDescription
from investlab.backtest.sweep_result import SweepResult
from investlab.backtest.walk_forward_result import Computation, WalkForwardResult
from investlab.backtest.window_measures import Criterion
from investlab.core.errors import Corrupt
from investlab.core.hashing import canonical_json
from investlab.market.panel import PanelSource
from investlab.schemas.backtest import Execution
from investlab.schemas.market import Adjust
from investlab.store.results import decode_result, encode_result

MAGIC = b"investlab evaluation 1\n"
Evaluation = WalkForwardResult | CrossValidationResult
Arrays = dict[str, np.ndarray]


def encode_evaluation(result: Evaluation) -> bytes:
    """Return an evaluation as bytes; equal evaluations give equal bytes."""
    arrays: Arrays = {}
    walked = isinstance(result, WalkForwardResult)
    header = _walk_header(result, arrays) if isinstance(result, WalkForwardResult) else _cross_header(result, arrays)
    shared = {
        "kind": "walk_forward" if walked else "cross_validation",
        "plan": asdict(result.plan),
        "criterion": result.criterion,
        "parameters": list(result.parameters),
        "computation": asdict(result.computation),
        "counted": result.counted,
        "arrays": list(arrays),
    }
    stream = BytesIO()
    text = canonical_json({**shared, **header}).encode()
    np.save(stream, np.frombuffer(text, dtype=np.uint8), allow_pickle=False)
    for values in arrays.values():
        np.save(stream, np.ascontiguousarray(values), allow_pickle=False)
    return MAGIC + zlib.compress(stream.getvalue(), level=1)


def decode_run(content: bytes) -> BacktestResult | SweepResult | Evaluation:
    """Return the result of any run: a backtest, a sweep or an evaluation.

    Raises:
        Corrupt: The bytes are no result.
    """
    if not content.startswith(MAGIC):
        return decode_result(content)
    try:
        stream = BytesIO(zlib.decompress(content[len(MAGIC) :]))
        header = json.loads(np.load(stream, allow_pickle=False).tobytes())
        arrays = {name: np.load(stream, allow_pickle=False) for name in header["arrays"]}
        return _walk(header, arrays) if header["kind"] == "walk_forward" else _cross(header, arrays)
    except (zlib.error, ValueError, KeyError, TypeError, EOFError) as error:
        raise Corrupt("A stored result cannot be read.", remedy="Restore it from a backup or run it again.") from error


def _walk_header(result: WalkForwardResult, arrays: Arrays) -> dict[str, Any]:
    for name, account in (("account", result.out_of_sample), ("hindsight", result.hindsight)):
        arrays[name] = np.frombuffer(encode_result(account), dtype=np.uint8)
    arrays["block_moments"] = result.block_moments
    return {
        "windows": _table_header("windows", result.windows, arrays),
        "stability": _table_header("stability", result.stability, arrays),
        "trials": _table_header("trials", result.trials, arrays),
        "leftover": result.leftover,
        "hindsight_parameters": result.hindsight_parameters,
    }


def _walk(header: Mapping[str, Any], arrays: Arrays) -> WalkForwardResult:
    accounts = [cast("BacktestResult", decode_result(arrays[name].tobytes())) for name in ("account", "hindsight")]
    return WalkForwardResult(
        windows=_table("windows", header, arrays),
        stability=_table("stability", header, arrays),
        trials=_table("trials", header, arrays),
        plan=WalkForwardPlan(**header["plan"]),
        criterion=Criterion(header["criterion"]),
        parameters=tuple(header["parameters"]),
        leftover=header["leftover"],
        out_of_sample=accounts[0],
        hindsight=accounts[1],
        hindsight_parameters=header["hindsight_parameters"],
        block_moments=arrays["block_moments"],
        computation=_computation(header),
        counted=header["counted"],
    )


def _cross_header(result: CrossValidationResult, arrays: Arrays) -> dict[str, Any]:
    arrays["paths"] = result.paths.to_numpy(np.float64)
    arrays["sessions"] = _days(result.paths.index)
    arrays["trial_sharpes"] = result.trial_sharpes
    return {
        "splits": _table_header("splits", result.splits, arrays),
        "strategy": asdict(result.strategy),
        "costs": result.costs.to_spec().model_dump(),
        "execution": result.execution,
        "panel_id": result.panel_id,
        "source": asdict(result.source),
        "notes": list(result.notes),
        "run_id": result.run_id,
        "code_identity": result.code_identity,
    }


def _cross(header: Mapping[str, Any], arrays: Arrays) -> CrossValidationResult:
    source = dict(header["source"])
    source["as_of"] = datetime.fromisoformat(source["as_of"]) if source["as_of"] else None
    source["biases"], source["adjust"] = tuple(source["biases"]), Adjust(source["adjust"])
    paths = arrays["paths"]
    return CrossValidationResult(
        splits=_table("splits", header, arrays),
        paths=pd.DataFrame(
            paths, index=_sessions(arrays["sessions"]), columns=pd.RangeIndex(1, paths.shape[1] + 1, name="path")
        ),
        trial_sharpes=arrays["trial_sharpes"],
        plan=CombinatorialPlan(**header["plan"]),
        criterion=Criterion(header["criterion"]),
        parameters=tuple(header["parameters"]),
        strategy=StrategyDescription(**header["strategy"]),
        costs=Costs(**header["costs"]),
        execution=Execution(header["execution"]),
        panel_id=header["panel_id"],
        source=PanelSource(**source),
        notes=tuple(header["notes"]),
        computation=_computation(header),
        counted=header["counted"],
        run_id=header["run_id"],
        code_identity=header["code_identity"],
    )


def _computation(header: Mapping[str, Any]) -> Computation:
    stored = header["computation"]
    return Computation(stored["executor"], tuple(stored["worker_pids"]), stored["reason"], stored["elapsed_seconds"])


def _table_header(prefix: str, table: pd.DataFrame, arrays: Arrays) -> dict[str, Any]:
    """Put a table's columns of numbers and sessions among the arrays, and return its order and all other columns."""
    plain, days = {}, []
    for name in table.columns:
        values = table[name]
        if pd.api.types.is_datetime64_any_dtype(values):
            arrays[f"{prefix}.{name}"] = _days(pd.DatetimeIndex(values))
            days.append(name)
        elif pd.api.types.is_numeric_dtype(values):
            arrays[f"{prefix}.{name}"] = values.to_numpy()
        else:
            plain[name] = values.tolist()
    index = {"first": int(table.index[0]), "name": table.index.name}
    return {"columns": list(table.columns), "plain": plain, "days": days, "index": index}


def _table(prefix: str, header: Mapping[str, Any], arrays: Arrays) -> pd.DataFrame:
    told = header[prefix]
    columns: dict[str, Any] = {}
    for name in told["columns"]:
        if name in told["plain"]:
            columns[name] = told["plain"][name]
        else:
            values = arrays[f"{prefix}.{name}"]
            columns[name] = _sessions(values) if name in told["days"] else values
    count, first = len(next(iter(columns.values()))), told["index"]["first"]
    return pd.DataFrame(columns).set_axis(pd.RangeIndex(first, first + count, name=told["index"]["name"]), axis=0)


def _days(sessions: pd.Index) -> np.ndarray:
    return sessions.to_numpy("datetime64[D]").astype(np.int64)


def _sessions(days: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(days.astype("datetime64[D]").astype("datetime64[ns]"), name="session")
