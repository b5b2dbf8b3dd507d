"""The whole platform in Chromium: the page renders, a live value changes, and the badge tells the truth."""

from collections.abc import Iterator

import pytest

from investlab.services.processes import GATEWAY, Platform
from tests.support.browser import chromium, visit
from tests.support.platforms import fill_with_samples, kill, platform_settings, running_platform, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE_MS = 60_000
PRICE = '#il-watch [data-line="us-close/1"] [data-cell="price"]'
BADGE = "#il-badge"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    chromium()
    home = tmp_path_factory.mktemp("browsed")
    fill_with_samples(home)
    with running_platform(platform_settings(home)) as found:
        yield found


def test_the_page_lives_dies_and_heals_with_the_gateway(platform: Platform) -> None:
    with visit() as seen:
        page = seen.page
        page.goto(platform.page_url, timeout=PATIENCE_MS)
        page.wait_for_selector(f"{BADGE}[data-state=replay]", timeout=PATIENCE_MS)
        assert "token" not in page.url
        assert page.locator("canvas").count() > 0

        before = page.inner_text(PRICE)
        until(lambda: page.inner_text(PRICE) != before, 20.0)

        kill(platform, GATEWAY)
        page.wait_for_selector(f"{BADGE}[data-state=offline]", timeout=10_000)
        assert "OFFLINE" in page.inner_text(BADGE)

        platform.mend(lambda text: None)
        platform.wait_until_ready()
        page.wait_for_selector(f"{BADGE}[data-state=replay]", timeout=30_000)
        frozen = page.inner_text(PRICE)
        until(lambda: page.inner_text(PRICE) != frozen, 20.0)
        assert not seen.refused
