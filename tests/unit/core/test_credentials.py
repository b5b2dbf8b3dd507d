"""The access token and its cookie."""

from pathlib import Path

import pytest

from investlab.core.credentials import Credentials, new_token

TOKEN = "a-token-of-more-than-16"
CREDENTIALS = Credentials.of(TOKEN, Path("/homes/one"))


def test_tokens_are_long_and_never_the_same() -> None:
    assert len(new_token()) >= 43
    assert new_token() != new_token()


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        pytest.param(f"Bearer {TOKEN}", True, id="token"),
        pytest.param(f"bearer {TOKEN}", True, id="scheme-in-any-case"),
        pytest.param(f"Basic {TOKEN}", False, id="other-scheme"),
        pytest.param(f"Bearer {TOKEN}x", False, id="longer"),
        pytest.param(f"Bearer {TOKEN[:-1]}", False, id="shorter"),
        pytest.param("Bearer", False, id="no-token"),
        pytest.param("Bearer tök€n", False, id="not-ascii"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="missing"),
    ],
)
def test_bearer(header: str | None, accepted: bool) -> None:
    assert CREDENTIALS.accepts_bearer(header) is accepted


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        pytest.param(f"{CREDENTIALS.cookie_name}={CREDENTIALS.cookie_value}", True, id="cookie"),
        pytest.param(f"theme=dark; {CREDENTIALS.cookie_name}={CREDENTIALS.cookie_value}", True, id="among-others"),
        pytest.param(f"{CREDENTIALS.cookie_name}={TOKEN}", False, id="the-token-is-no-cookie"),
        pytest.param(f"{CREDENTIALS.cookie_name}=", False, id="empty-value"),
        pytest.param(f"other={CREDENTIALS.cookie_value}", False, id="other-name"),
        pytest.param("=;=\x00;,", False, id="malformed"),
        pytest.param(None, False, id="missing"),
    ],
)
def test_cookie(header: str | None, accepted: bool) -> None:
    assert CREDENTIALS.accepts_cookie(header) is accepted


def test_homes_have_cookies_of_their_own() -> None:
    other = Credentials.of(TOKEN, Path("/homes/two"))
    assert other.cookie_name != CREDENTIALS.cookie_name
    assert other.cookie_value != CREDENTIALS.cookie_value


def test_the_cookie_is_kept_from_scripts_and_other_sites_and_hides_the_token() -> None:
    header = CREDENTIALS.set_cookie()
    assert "; HttpOnly" in header
    assert "; SameSite=Strict" in header
    assert TOKEN not in header
    assert "Secure" in CREDENTIALS.set_cookie(secure=True)


def test_the_token_is_not_shown() -> None:
    assert TOKEN not in repr(CREDENTIALS)


@pytest.mark.parametrize("other", ['prefs={"a": [1, 2]}', "word", "=nameless", "name=é", "a b=c", "x=1; y=2"])
def test_cookies_of_other_applications_on_the_host_do_not_sign_anybody_out(other: str) -> None:
    own = f"{CREDENTIALS.cookie_name}={CREDENTIALS.cookie_value}"
    assert CREDENTIALS.accepts_cookie(f"{other}; {own}")
    assert CREDENTIALS.accepts_cookie(f"{own}; {other}")
    assert not CREDENTIALS.accepts_cookie(other)
