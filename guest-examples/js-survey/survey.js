// Asks a share of those whose conversation was closed how it was, a day later.
// Trigger: conversation.closed. Action: survey.send.

import { log, random } from "ringfence:rule/host@0.1.0";

// QuickJS has no `console`, and its Math.random repeats in each run what was
// decided when the component was built.
globalThis.console = {
  log: (...parts) => log("info", parts.join(" ")),
  error: (...parts) => log("error", parts.join(" ")),
};
Math.random = () => (random() >>> 0) / 2 ** 32;

const HOUR = 60 * 60 * 1000;

export function describe() {
  return {
    triggers: [{ type: "conversation.closed", ignore: [] }],
    emits: [],
    acts: ["survey.send"],
    configSchema: JSON.stringify({
      type: "object",
      properties: {
        share: { type: "number", minimum: 0, maximum: 1 },
        delay_hours: { type: "number", minimum: 0 },
      },
    }),
    summary: "Sends a survey to a share of those whose conversation was closed.",
  };
}

export function handle(event, invocation) {
  const { share = 0.5, delay_hours: delay = 24 } = JSON.parse(invocation.config);
  const { contact, closed_by: agent } = JSON.parse(event.data);
  if (typeof contact !== "string") {
    throw { tag: "invalid-event", val: "`contact` is missing" };
  }
  const drawn = Math.random();
  console.log(`drew ${drawn.toFixed(3)} of ${share} for`, contact);
  if (drawn >= share) {
    return [];
  }
  const survey = {
    contact,
    agent: agent ?? null,
    send_at: new Date(Date.now() + delay * HOUR).toISOString(),
  };
  return [{ tag: "act", val: { name: "survey.send", payload: JSON.stringify(survey) } }];
}
