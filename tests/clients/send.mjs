// Sends events with the official JavaScript client in each form that it has.
//
// URL and TOKEN come from the environment; packages from CLIENTS_DIR. Prints,
// per form, one line of JSON: the form, the events as sent, the answer.
import { createRequire } from "node:module";

const { CLIENTS_DIR, TOKEN, URL: sink } = process.env;
const require = createRequire(`${CLIENTS_DIR}/`);
const { CloudEvent, emitterFor, httpTransport, Mode } = require("cloudevents");

const authorization = `Bearer ${TOKEN}`;

function conversation(id, data) {
  return new CloudEvent({
    id: `js-${id}`,
    source: "/clients/javascript",
    type: "conversation.created",
    subject: `conversation #${id}`,
    time: "2026-01-31T12:00:00.000Z",
    datacontenttype: "application/json",
    data,
  });
}

function report(form, events, answer) {
  const sent = events.map((event) => event.toJSON());
  console.log(JSON.stringify({ form, sent, answer: JSON.parse(answer) }));
}

const data = { priority: "urgent", note: "naïve café ✓", nested: { list: [1, 2.5, null] } };

for (const mode of [Mode.STRUCTURED, Mode.BINARY]) {
  const event = conversation(mode, data);
  const emit = emitterFor(httpTransport(sink), { mode });
  const { body } = await emit(event, { headers: { authorization } });
  report(mode, [event], body);
}

// The client reads batches but sends none: the batch is made of its events.
const events = [1, 2, 3].map((number) => conversation(`batch-${number}`, data));
const response = await fetch(sink, {
  method: "POST",
  headers: { authorization, "content-type": "application/cloudevents-batch+json" },
  body: JSON.stringify(events),
});
report("batch", events, await response.text());
