"""Made-up names: numbered symbols, and words that no real symbol looks like."""

CONSONANTS = "BDFGHKLMNPRSTVZJ"
VOWELS = "AEIOU"
SYLLABLES = len(CONSONANTS) * len(VOWELS)
WORD_SYLLABLES = 3
WORDS = SYLLABLES**WORD_SYLLABLES
STRIDE = 104_729
"""Shares no factor with the number of words, so that different numbers give different words."""

SERIES_LENGTH = 20_000
SUFFIXES = ("Holdings", "Works", "Group", "Systems", "Partners")


def numbered_symbol(prefix: str, number: int) -> str:
    """Return the symbol that a company is listed with, such as SYN0001 for number 0."""
    return f"{prefix}{number + 1:04d}"


def company_word(series: int, number: int) -> str:
    """Return a company's word of six letters, more than a symbol of a US exchange has; no word is given twice."""
    code = (series * SERIES_LENGTH + number) * STRIDE % WORDS
    word = ""
    for _ in range(WORD_SYLLABLES):
        code, syllable = divmod(code, SYLLABLES)
        word += CONSONANTS[syllable // len(VOWELS)] + VOWELS[syllable % len(VOWELS)]
    return word


def company_name(series: int, number: int) -> str:
    """Return a company's name, which says that it is synthetic."""
    return f"{company_word(series, number).title()} {SUFFIXES[number % len(SUFFIXES)]} (synthetic)"
