"""Unpacks parts of a wheel.

Takes:  a wheel, then JSON objects {"from": PREFIX, "to": PATH, "ending": SUFFIX?}.
Gives:  every member whose name starts with PREFIX (and ends with SUFFIX), written to PATH + the rest of its name.
Why so: Node has no zip reader of its own, and Python is there because pip is. Members are streamed: one is 790 MB.
"""

import json
import os
import shutil
import sys
import zipfile


def unpack(wheel, parts):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            name = member.filename
            part = next((p for p in parts if name.startswith(p["from"]) and name.endswith(p.get("ending", ""))), None)
            if part is None or member.is_dir():
                continue
            rest = name[len(part["from"]):]
            if ".." in rest.split("/"):
                raise SystemExit(f"refusing to unpack {name}")
            target = part["to"] + rest if not part["to"].endswith("/") else os.path.join(part["to"], rest)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with archive.open(member) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


if __name__ == "__main__":
    unpack(sys.argv[1], [json.loads(text) for text in sys.argv[2:]])
