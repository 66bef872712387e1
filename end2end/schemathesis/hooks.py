"""What Schemathesis has to be told beside the description: long polls are cut short, requests keep below the rate limit, and lines of JSON are text."""

import json
import time

import schemathesis

# Seconds before each request: a device may ask fifty times a second, and a refusal for that says nothing of the request.
PAUSE = 0.02


def cut_short(holder):
    """A wait that is allowed becomes none; one that is refused goes out as it was drawn."""
    if not isinstance(holder, dict) or isinstance(holder.get("wait"), bool):
        return
    try:
        asked = int(holder["wait"])
    except (KeyError, TypeError, ValueError):
        return
    if 1 <= asked <= 25:
        holder["wait"] = 0


@schemathesis.hook
def before_call(context, case, kwargs):
    cut_short(case.query)
    cut_short(case.body)
    time.sleep(PAUSE)


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return json.dumps(value).encode()
