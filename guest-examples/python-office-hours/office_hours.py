"""Answers who writes outside of office hours, and says when somebody is there.

Trigger: conversation.created. Action: conversation.reply. Holidays are in the
tenant's data, where the operator gives any: `holidays.json`, a list of days.
"""

import json
import random
import sys
import time
from datetime import datetime, timedelta, timezone

import wit_world
from componentize_py_types import Err
from wit_world.imports import types

HOLIDAYS = "/data/holidays.json"
GREETINGS = ["Thanks for writing!", "Thank you for your message.", "Hello!"]
SCHEMA = {
    "type": "object",
    "properties": {
        "opens": {"type": "integer", "minimum": 0, "maximum": 23},
        "closes": {"type": "integer", "minimum": 1, "maximum": 24},
    },
}


def holidays() -> set[str]:
    try:
        with open(HOLIDAYS) as file:
            return set(json.load(file))
    except FileNotFoundError:
        print("no holidays are known", file=sys.stderr)
        return set()


class WitWorld(wit_world.WitWorld):
    def describe(self) -> types.Manifest:
        return types.Manifest(
            triggers=[types.Trigger(type="conversation.created", ignore=[])],
            emits=[],
            acts=["conversation.reply"],
            config_schema=json.dumps(SCHEMA),
            summary="Answers who writes outside of office hours.",
        )

    def handle(self, event: types.Event, invocation: types.Invocation) -> list[types.Effect]:
        config = json.loads(invocation.config)
        data = json.loads(event.data)
        if "contact" not in data:
            raise Err(types.Failure_InvalidEvent("`contact` is missing"))
        opens, closes = config.get("opens", 9), config.get("closes", 17)
        closed = holidays()

        def is_open(moment: datetime) -> bool:
            workday = moment.weekday() < 5 and moment.date().isoformat() not in closed
            return workday and opens <= moment.hour < closes

        now = datetime.fromtimestamp(time.time(), timezone.utc)
        print(f"it is {now:%A, %H:%M}")
        if is_open(now):
            return []
        hour = now.replace(minute=0, second=0, microsecond=0)
        while not is_open(hour):
            hour += timedelta(hours=1)
        reply = {
            "contact": data["contact"],
            "text": f"{random.choice(GREETINGS)} We are back on {hour:%A at %H:%M}.",
        }
        return [types.Effect_Act(types.Action("conversation.reply", json.dumps(reply)))]
