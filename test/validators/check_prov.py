"""Read a PROV-JSON document with the reference library, write it, and read that again.

Prints how many records it has of each kind, as JSON. Ends with an error where the two readings differ.

usage: check_prov.py FILE
"""

import collections
import json
import sys

from prov.model import ProvDocument

with open(sys.argv[1], encoding="utf-8") as f:
    first = ProvDocument.deserialize(source=f, format="json")
second = ProvDocument.deserialize(content=first.serialize(format="json"), format="json")
if first != second:
    sys.exit("the document is another one after it was written and read again")
first.get_provn()  # its names can be written as PROV-N
print(json.dumps(collections.Counter(r.get_type().localpart for r in first.get_records())))
