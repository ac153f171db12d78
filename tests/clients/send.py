"""Sends events with the official Python client in each form that it has.

URL and TOKEN come from the environment. Prints, per form, one line of JSON:
the form, the events as sent, the answer.
"""

import json
import os
from datetime import datetime, timezone
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

DATA = {"priority": "urgent", "note": "naïve café ✓", "nested": {"list": [1, 2.5, None]}}


def conversation(number: str) -> CloudEvent:
    return CloudEvent(
        attributes={
            "id": f"py-{number}",
            "source": "/clients/python",
            "type": "conversation.created",
            "subject": f"Gespräch #{number}",
            "time": datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc),
            "datacontenttype": "application/json",
        },
        data=DATA,
    )


def as_json(event: CloudEvent) -> dict:
    return json.loads(JSONFormat().write(event))


def post(headers: dict, body: bytes) -> dict:
    headers = {**headers, "authorization": f"Bearer {os.environ['TOKEN']}"}
    request = Request(os.environ["URL"], data=body, headers=headers, method="POST")
    try:
        with urlopen(request, timeout=60) as response:
            return json.load(response)
    except HTTPError as refusal:
        return json.load(refusal)


def report(form: str, events: list, answer: dict) -> None:
    print(json.dumps({"form": form, "sent": [as_json(e) for e in events], "answer": answer}))


for form, encode in [("structured", to_structured_event), ("binary", to_binary_event)]:
    event = conversation(form)
    message = encode(event)
    report(form, [event], post(message.headers, message.body))

# The client has no batch form: the batch is made of its events.
events = [conversation(f"batch-{number}") for number in (1, 2, 3)]
body = json.dumps([as_json(event) for event in events]).encode()
content_type = {"content-type": "application/cloudevents-batch+json"}
report("batch", events, post(content_type, body))
