"""The look-ahead audit: does any decision change when only what came after it is changed?"""

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from investlab.backtest.decisions import DecisionRule, decide, first_difference
from investlab.backtest.lookahead_report import Leak, LeakReport, Verdict
from investlab.backtest.lookahead_runs import Base, Hit, Runs
from investlab.backtest.lookahead_search import earliest, fields_attacked, find_leak, reacts, warm_up
from investlab.backtest.strategies import SignalStrategy, WeightStrategy, describe_strategy
from investlab.core.errors import ExecutionFailed, InvestlabError
from investlab.market.panel import PricePanel

CUTS = 36


@dataclass(frozen=True, slots=True)
class _Outcome:
    verdict: Verdict
    leak: Leak | None = None
    stable_after: int | None = None
    reacts: bool = True


def audit_lookahead(rule: DecisionRule, panel: PricePanel, *, seed: int = 0, cuts: int = CUTS) -> LeakReport:
    """Return whether decisions of a strategy use what their session's close did not know; the data is attacked.

    `rule` is a strategy, or a function from a panel to weights (sessions × instruments, or a frame of rebalance
    sessions) or to (entries, exits). Decisions at session *t* may use everything up to *t*'s close. After about
    `cuts` sessions the future is cut off, changed in many ways and told later; nothing before may change, by more
    than a relative 1e-9. The same arguments give the same report. A leak found is one; no leak found is evidence, not
    proof, and says nothing about data that the strategy takes from elsewhere than the panel.

    Raises:
        ExecutionFailed: The strategy raises an error on the panel as it is.
        InvalidInput: `rule` makes no decisions, or what it gives does not fit the panel.
    """
    started = perf_counter()
    runs = Runs(rule, seed)
    base = Base(panel, _decide(rule, panel))
    outcome = _audit(runs, base, cuts)
    return LeakReport(
        strategy=_name(rule),
        panel_id=panel.id,
        verdict=outcome.verdict,
        first_leak=outcome.leak,
        attacks=runs.attacks,
        sessions_probed=len(runs.cuts),
        stable_after=outcome.stable_after,
        reacts=outcome.reacts,
        failures=tuple(runs.failures),
        failed_attacks=runs.failed,
        elapsed_seconds=perf_counter() - started,
    )


def _audit(runs: Runs, base: Base, cuts: int) -> _Outcome:
    again = first_difference(base.wanted, _decide(runs.rule, base.panel), len(base.panel.sessions))
    if again is not None:
        return _Outcome(Verdict.NOT_DETERMINISTIC)
    found = find_leak(runs, base, cuts)
    if found is not None:
        first = earliest(runs, found)
        return _Outcome(Verdict.LEAKS, _leak(first, fields_attacked(runs, first)))
    if not runs.compared:
        return _Outcome(Verdict.NOT_PROBED)
    return _Outcome(Verdict.CLEAN, None, warm_up(runs, base), reacts(runs, base))


def _decide(rule: DecisionRule, panel: PricePanel) -> dict[str, np.ndarray]:
    try:
        with np.errstate(all="ignore"):
            return dict(decide(rule, panel))
    except InvestlabError:
        raise
    except Exception as error:
        raise ExecutionFailed(
            f"{_name(rule)} raises {type(error).__name__} on the panel as it is: {error}.",
            remedy="Correct it first; nothing was attacked.",
        ) from error


def _leak(hit: Hit, fields: tuple[str, ...]) -> Leak:
    panel, found = hit.base.panel, hit.difference
    listed = panel.listing[found.column]
    return Leak(
        session=panel.sessions[found.row].item(),
        symbol=listed.symbol,
        instrument_id=listed.instrument_id,
        decision=found.decision,
        value=found.value,
        value_without=found.other,
        attack=" ".join(filter(None, (hit.attack.name, hit.base.remark))),
        fields=fields,
        untouched_until=panel.sessions[hit.cut].item(),
    )


def _name(rule: DecisionRule) -> str:
    if isinstance(rule, SignalStrategy | WeightStrategy):
        return str(describe_strategy(rule))
    return str(getattr(rule, "__name__", type(rule).__name__))
