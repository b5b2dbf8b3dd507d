"""Quality checks on daily bars before they are stored: what is rejected, quarantined or only said."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from investlab.market import quality_checks as checks
from investlab.market.quality_findings import EXAMPLES, Counting, Defects, Verdict, day_text, named
from investlab.market.quality_sequence import Before, missing_sessions, unexplained_jumps
from investlab.market.quality_settings import DEFAULTS, NOTHING_KNOWN, Known, QualitySettings
from investlab.market.quality_table import NO_POSITION, BarArrays, ReadBars, read_bars
from investlab.schemas.quality import Finding, QualityReport, Severity, counts_years, gravest_first

UNREADABLE = "unreadable"
CONFLICTING = "conflicting_bars"
WRONG_ZONE = "wrong_zone"
REASONS = ("", UNREADABLE, CONFLICTING, *checks.ROW_CHECKS)


@dataclass(frozen=True, slots=True, eq=False)
class CheckedBars:
    """What was found, a mask of the bars that may be stored, and why the quarantined ones may not.

    Of a bar given several times with the same values one is kept; the others are neither kept nor quarantined.
    """

    report: QualityReport
    keep: np.ndarray
    reason_codes: np.ndarray

    @property
    def quarantined(self) -> np.ndarray:
        """Return a mask of the bars that are to be quarantined."""
        mask: np.ndarray = self.reason_codes > 0
        return mask

    @property
    def reasons(self) -> np.ndarray:
        """Return the check that each bar failed, empty text where it is not quarantined."""
        names: np.ndarray = np.array(REASONS, dtype=object)[self.reason_codes]
        return names


def check_bars(
    bars: pd.DataFrame,
    sessions: np.ndarray,
    settings: QualitySettings = DEFAULTS,
    known: Known = NOTHING_KNOWN,
) -> CheckedBars:
    """Return what is wrong with bars, the gravest first.

    `bars` has symbol (text or categorical), session (datetime64 without a zone) and any bar fields, in any order;
    those ordered by symbol and session are read faster. `sessions` are the calendar's sessions in their range.

    * reject: bars of one session that contradict each other, sessions in the wrong zone, too many bars quarantined;
    * quarantine: a bar without symbol or session, on a day without a session, with a price that is missing or not
      positive, a high below the low, an open or close outside the bar, volume that is missing or negative;
    * warn: sessions without a bar, repeated bars, stale closes, jumps, nothing traded, coarse ticks.
    """
    read = read_bars(bars, sessions)
    batch = _Batch.of(read.arrays, len(bars), settings, known)
    found = [*_of_the_whole(batch, read), *_repeated(batch)]
    once = batch.bars.take(batch.keep[batch.bars.rows])
    sound = _single_bars(batch, once, found)
    _sequences(batch, once, sound, found)
    _refused(batch, sound, found)
    return CheckedBars(batch.report(found), batch.keep, batch.reason_codes)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """The bars being checked, how they are checked, and the marks made on them."""

    bars: BarArrays
    settings: QualitySettings
    known: Known
    counting: Counting
    keep: np.ndarray
    reason_codes: np.ndarray

    @staticmethod
    def of(bars: BarArrays, size: int, settings: QualitySettings, known: Known) -> "_Batch":
        counting = Counting(bars.symbols, counts_years(*_ends(bars)))
        return _Batch(bars, settings, known, counting, np.ones(size, dtype=bool), np.zeros(size, dtype=np.uint8))

    def set_aside(self, rows: np.ndarray, reason: str) -> None:
        """Keep rows of the frame from being stored, for a reason."""
        self.keep[rows] = False
        self.reason_codes[rows] = REASONS.index(reason)

    def said(self, verdict: Verdict, bars: BarArrays, bad: np.ndarray) -> list[Finding]:
        """Return the finding on the bars of a mask, none when it is empty."""
        if not bad.any():
            return []
        return [self.counting.finding(verdict, Defects.at(bars, bad), named(bars, bad))]

    def report(self, found: list[Finding]) -> QualityReport:
        first, last = _ends(self.bars)
        return QualityReport(
            bars=len(self.keep),
            findings=gravest_first(found),
            instruments=len(self.bars.starts()),
            first_session=first,
            last_session=last,
            quarantined=int(np.count_nonzero(self.reason_codes)),
        )


def _ends(bars: BarArrays) -> tuple[date | None, date | None]:
    if not len(bars):
        return None, None
    first, last = np.array([bars.days.min(), bars.days.max()]).astype("datetime64[D]").tolist()
    return first, last


def _of_the_whole(batch: _Batch, read: ReadBars) -> list[Finding]:
    """Return what is wrong with symbols and sessions themselves."""
    found = []
    if len(read.unreadable):
        batch.set_aside(read.unreadable, UNREADABLE)
        examples = tuple(f"row {row + 1}" for row in read.unreadable[:EXAMPLES])
        found.append(
            Finding(
                check=UNREADABLE,
                severity=Severity.QUARANTINE,
                count=len(read.unreadable),
                sentence="bars without a symbol or a session",
                examples=examples,
            )
        )
    if read.has_clock_times:
        sentence = "sessions with a time of day: the wrong time zone, or none applied"
        everything = np.ones(len(batch.bars), dtype=bool)
        return [*found, *batch.said(Verdict(WRONG_ZONE, Severity.REJECT, sentence), batch.bars, everything)]
    sentence = "sessions look shifted by one day: the wrong time zone"
    moved = checks.shifted(batch.bars, batch.settings)
    return [*found, *batch.said(Verdict(WRONG_ZONE, Severity.REJECT, sentence), batch.bars, moved)]


def _repeated(batch: _Batch) -> list[Finding]:
    """Leave out bars that were given already; return findings on them and on those that contradict."""
    bars = batch.bars
    exact, other = checks.repeats(bars)
    batch.keep[bars.rows[exact]] = False
    batch.set_aside(bars.rows[other], CONFLICTING)
    repeated = Verdict("repeated_bars", Severity.WARN, "bars given again with the same values; one is kept")
    conflicting = Verdict(CONFLICTING, Severity.REJECT, "bars that contradict an earlier one of their session")
    return [*batch.said(conflicting, bars, other), *batch.said(repeated, bars, exact)]


def _single_bars(batch: _Batch, once: BarArrays, found: list[Finding]) -> BarArrays:
    """Quarantine bars that cannot be true, add the findings on them, and return the others."""
    refused = np.zeros(len(once), dtype=bool)
    for check, (sentence, is_wrong) in checks.ROW_CHECKS.items():
        bad = is_wrong(once, batch.settings) & ~refused
        if bad.any():
            found += batch.said(Verdict(check, Severity.QUARANTINE, sentence), once, bad)
            batch.set_aside(once.rows[bad], check)
            refused |= bad
    return once.take(~refused)


def _sequences(batch: _Batch, once: BarArrays, sound: BarArrays, found: list[Finding]) -> None:
    """Add warnings on what bars say one after the other: sessions of `once`, prices and volumes of `sound` bars."""
    settings, count = batch.settings, batch.counting.finding
    delivered = once.take(once.positions != NO_POSITION)
    absent, gaps = missing_sessions(delivered, Before.of(delivered, batch.known), batch.counting.by_year)
    if len(absent.codes):
        found.append(
            count(Verdict("missing_sessions", Severity.WARN, "sessions of the calendar without a bar"), absent, gaps)
        )
    if "close" in sound.values and len(sound):
        found += [*_stale(batch, sound), *_jumping(batch, sound)]
        sentence = f"closes so low that one tick is more than {settings.coarse_share:.1%} of the price"
        found += batch.said(
            Verdict("coarse_ticks", Severity.WARN, sentence), sound, checks.coarse_ticks(sound, settings)
        )
    found += batch.said(
        Verdict("zero_volume", Severity.WARN, "bars of sessions on which nothing was traded"),
        sound,
        checks.zero_volume(sound),
    )


def _stale(batch: _Batch, sound: BarArrays) -> list[Finding]:
    starts, lengths = checks.stale_runs(sound, batch.settings)
    if not len(starts):
        return []
    sentence = f"bars in runs of {batch.settings.stale_sessions} or more sessions with the same close"
    examples = tuple(
        f"{name} to {day_text(sound.days[start + length - 1])} ({length} sessions)"
        for name, start, length in zip(named(sound, starts), starts, lengths, strict=False)
    )
    places = Defects(sound.codes[starts], sound.days[starts], lengths)
    return [batch.counting.finding(Verdict("stale_runs", Severity.WARN, sentence), places, examples)]


def _jumping(batch: _Batch, sound: BarArrays) -> list[Finding]:
    jumps = unexplained_jumps(sound, Before.of(sound, batch.known), batch.known, batch.settings)
    if not len(jumps.places):
        return []
    splits = int(np.count_nonzero(~np.isnan(jumps.splits)))
    limit = batch.settings.jump_ratio
    sentence = f"closes more than {limit:g} times the one before, or less than 1/{limit:g} of it, unexplained"
    if splits:
        sentence += f"; like a split: {splits:,}"
    places = Defects.at(sound, jumps.places)
    return [batch.counting.finding(Verdict("jumps", Severity.WARN, sentence), places, jumps.examples(sound))]


def _refused(batch: _Batch, sound: BarArrays, found: list[Finding]) -> None:
    """Add a rejection when so many bars were set aside that the delivery cannot be trusted."""
    size, refused = len(batch.keep), int(np.count_nonzero(batch.reason_codes))
    settings = batch.settings
    too_many = refused >= settings.refused_least and refused > settings.refused_share * size
    if too_many or (refused and not len(sound)):
        sentence = f"of {size:,} bars cannot be stored; a delivery may hold {settings.refused_share:.0%} of such bars"
        found.append(Finding(check="refused_share", severity=Severity.REJECT, count=refused, sentence=sentence))
