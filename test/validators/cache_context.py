"""Put the JSON-LD context of RO-Crate 1.1 into the cache of rocrate-validator, so that it validates offline.

usage: cache_context.py CACHE CONTEXT_FILE
"""

import io
import json
import sys

from requests.adapters import BaseAdapter, HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


class FromFile(BaseAdapter):
    """Answers every request with a file, without any network."""

    def __init__(self, content):
        super().__init__()
        self.content = content

    def send(self, request, **_):
        headers = {"Content-Type": "application/ld+json"}
        raw = HTTPResponse(body=io.BytesIO(self.content), headers=headers, status=200, preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    def close(self):
        pass


cache, file = sys.argv[1:]
with open(file, "rb") as f:
    content = f.read()
if json.loads(content)["@id"] != CONTEXT:
    sys.exit(f"{file} is not {CONTEXT}")
# As rocrate_validator.utils.http makes its session.
session = CachedSession(cache_name=cache, expire_after=-1, backend="sqlite", allowable_methods=("GET",))
session.mount("https://", FromFile(content))
session.get(CONTEXT).raise_for_status()
