"""Listing what providers offer needs no key, no network and none of the vendors' libraries."""

import json
import subprocess
import sys

import pytest

PROBE = """
import json, sys
from investlab.core.config import load_settings
from investlab.core.extensions import PROVIDERS, extensions
from investlab.services.ingest import load_provider

settings = load_settings()
loaded = {item.name: load_provider(item.name, settings) for item in extensions(PROVIDERS)}
found = {name: [offer.name for offer in provider.datasets()] for name, provider in loaded.items()}
print(json.dumps([found, sorted(sys.modules)]))
"""


@pytest.mark.slow
def test_providers_are_listed_without_key_network_or_vendor_libraries() -> None:
    bare = {"PATH": "/nowhere", "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    outcome = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, env=bare)
    found, loaded = json.loads(outcome.stdout)
    assert {"alpaca", "files", "sample", "synthetic", "yfinance"} <= set(found)
    assert all(names == sorted(names) for names in found.values())
    assert [name for name, offers in found.items() if not offers] == ["files"], "there are no files here"
    assert not {"httpx", "yfinance", "curl_cffi"} & set(loaded)
