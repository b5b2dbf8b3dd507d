"""investlab: notebook to pipeline to backtest to served model, every number traceable.

The names below are the public surface for notebooks; each is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from investlab.backtest.costs import Costs
    from investlab.backtest.engine import simulate_signals, simulate_weights
    from investlab.backtest.limits import Limits
    from investlab.backtest.lookahead import audit_lookahead
    from investlab.backtest.lookahead_report import LeakReport
    from investlab.backtest.part_state import PartState
    from investlab.backtest.portfolio_state import PortfolioState
    from investlab.backtest.position_rules import PositionRules
    from investlab.backtest.purged_cross_validation import purged_cross_validation
    from investlab.backtest.purged_result import CrossValidationResult
    from investlab.backtest.rates import Rates
    from investlab.backtest.result import BacktestResult
    from investlab.backtest.sizing import Sizing
    from investlab.backtest.stops import Stops
    from investlab.backtest.strategies import MonthlyMomentum, SmaCross
    from investlab.backtest.sweep import sweep
    from investlab.backtest.sweep_result import SweepResult
    from investlab.backtest.walk_forward import walk_forward
    from investlab.backtest.walk_forward_result import WalkForwardResult
    from investlab.core.errors import InvestlabError
    from investlab.market.panel import PricePanel
    from investlab.schemas.screens import Screen
    from investlab.services.workspace import Workspace
    from investlab.services.workspace import open_workspace as open  # noqa: A004 (the public name)

_PUBLIC = {
    "BacktestResult": ("investlab.backtest.result", "BacktestResult"),
    "Costs": ("investlab.backtest.costs", "Costs"),
    "CrossValidationResult": ("investlab.backtest.purged_result", "CrossValidationResult"),
    "InvestlabError": ("investlab.core.errors", "InvestlabError"),
    "LeakReport": ("investlab.backtest.lookahead_report", "LeakReport"),
    "Limits": ("investlab.backtest.limits", "Limits"),
    "MonthlyMomentum": ("investlab.backtest.strategies", "MonthlyMomentum"),
    "PartState": ("investlab.backtest.part_state", "PartState"),
    "PortfolioState": ("investlab.backtest.portfolio_state", "PortfolioState"),
    "PositionRules": ("investlab.backtest.position_rules", "PositionRules"),
    "PricePanel": ("investlab.market.panel", "PricePanel"),
    "Rates": ("investlab.backtest.rates", "Rates"),
    "Screen": ("investlab.schemas.screens", "Screen"),
    "Sizing": ("investlab.backtest.sizing", "Sizing"),
    "SmaCross": ("investlab.backtest.strategies", "SmaCross"),
    "Stops": ("investlab.backtest.stops", "Stops"),
    "SweepResult": ("investlab.backtest.sweep_result", "SweepResult"),
    "WalkForwardResult": ("investlab.backtest.walk_forward_result", "WalkForwardResult"),
    "Workspace": ("investlab.services.workspace", "Workspace"),
    "audit_lookahead": ("investlab.backtest.lookahead", "audit_lookahead"),
    "open": ("investlab.services.workspace", "open_workspace"),
    "purged_cross_validation": ("investlab.backtest.purged_cross_validation", "purged_cross_validation"),
    "simulate_signals": ("investlab.backtest.engine", "simulate_signals"),
    "simulate_weights": ("investlab.backtest.engine", "simulate_weights"),
    "sweep": ("investlab.backtest.sweep", "sweep"),
    "walk_forward": ("investlab.backtest.walk_forward", "walk_forward"),
}

__all__ = [
    "BacktestResult",
    "Costs",
    "CrossValidationResult",
    "InvestlabError",
    "LeakReport",
    "Limits",
    "MonthlyMomentum",
    "PartState",
    "PortfolioState",
    "PositionRules",
    "PricePanel",
    "Rates",
    "Screen",
    "Sizing",
    "SmaCross",
    "Stops",
    "SweepResult",
    "WalkForwardResult",
    "Workspace",
    "audit_lookahead",
    "open",
    "purged_cross_validation",
    "simulate_signals",
    "simulate_weights",
    "sweep",
    "walk_forward",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'investlab' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
