"""What a look-ahead audit found, in values and in a sentence."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from html import escape

FAILURES_KEPT = 5


class Verdict(StrEnum):
    """How an audit ended."""

    CLEAN = "clean"
    LEAKS = "leaks"
    NOT_DETERMINISTIC = "not deterministic"
    NOT_PROBED = "not probed"


@dataclass(frozen=True, slots=True)
class Leak:
    """A decision that depends on what came later.

    The decision (`weights`, `entries` or `exits`) for `symbol` at the close of `session` was `value` on the panel and
    `value_without` once what came after the session `untouched_until` was attacked; a signal counts as 0 or 1, NaN is
    a weight that is held. `fields` are those of the panel through which the future came in: a change of each alone,
    after the same session, changes decisions up to it; `sessions` stands for their number or dates. It is empty
    where only several changed together show the leak.
    """

    session: date
    symbol: str
    instrument_id: int
    decision: str
    value: float
    value_without: float
    attack: str
    fields: tuple[str, ...]
    untouched_until: date

    @property
    def sentence(self) -> str:
        """Say what leaked where, and how it showed."""
        through = f" through {', '.join(self.fields)}" if self.fields else ""
        return (
            f"the {self.decision} of {self.symbol} at {self.session} depend on what came after "
            f"{self.untouched_until}{through}: {self.value:g} on the panel, {self.value_without:g} after the attack "
            f"“{self.attack}”."
        )


@dataclass(frozen=True, slots=True)
class FailedAttack:
    """An attacked panel on which the strategy raised an error; that is no leak."""

    attack: str
    untouched_until: date
    error: str


@dataclass(frozen=True, slots=True)
class LeakReport:
    """The outcome of `audit_lookahead`.

    `first_leak` has the earliest session found to be wrong. `attacks` counts the attacked panels that were run,
    `sessions_probed` the sessions after which the future was attacked. `stable_after` is the number of sessions of
    history after which decisions no longer depend on where the history starts, None where they never settle.
    `reacts` is false when no change of prices, past or future, changes any decision: then nothing can be said.
    `elapsed_seconds` is no part of equality; the rest is the same for the same strategy, panel and seed.
    """

    strategy: str
    panel_id: str
    verdict: Verdict
    first_leak: Leak | None
    attacks: int
    sessions_probed: int
    stable_after: int | None = None
    reacts: bool = True
    failures: tuple[FailedAttack, ...] = ()
    failed_attacks: int = 0
    elapsed_seconds: float = field(default=0.0, compare=False)

    @property
    def is_clean(self) -> bool:
        """Say whether no leak was found."""
        return self.verdict is Verdict.CLEAN

    @property
    def sentence(self) -> str:
        """Say the verdict and what it stands on."""
        return " ".join((self._verdict(), *self._remarks()))

    def _verdict(self) -> str:
        if self.verdict is Verdict.NOT_DETERMINISTIC:
            return (
                f"{self.strategy} is not deterministic: two runs on the same panel decide differently, so look-ahead "
                "cannot be told from chance. Give its random generator a fixed seed."
            )
        if self.first_leak is not None:
            return f"{self.strategy} looks ahead: {self.first_leak.sentence}"
        if self.verdict is Verdict.NOT_PROBED:
            return f"{self.strategy} could not be probed: it raised an error on every attacked panel."
        return (
            f"{self.strategy} shows no look-ahead in {self.attacks} attacks on the future of "
            f"{self.sessions_probed} sessions."
        )

    def _remarks(self) -> list[str]:
        remarks = []
        if self.failed_attacks:
            first = self.failures[0]
            remarks.append(
                f"It raised an error on {self.failed_attacks} attacked panels, which is no leak: “{first.error}” "
                f"({first.attack} after {first.untouched_until})."
            )
        if self.verdict is Verdict.CLEAN and not self.reacts:
            remarks.append("No change of prices changes its decisions: where they come from cannot be seen here.")
        elif self.verdict is Verdict.CLEAN:
            remarks.append(self._warm_up())
        return remarks

    def _warm_up(self) -> str:
        if self.stable_after is None:
            return "Its decisions depend on where the history starts, however long it is."
        return f"Its decisions no longer depend on where the history starts after {self.stable_after} sessions."

    def __repr__(self) -> str:
        return f"<LeakReport {self.verdict}: {self.sentence}>"

    def _repr_html_(self) -> str:
        return f"<p><strong>{escape(self.verdict.value.capitalize())}.</strong> {escape(self.sentence)}</p>"
