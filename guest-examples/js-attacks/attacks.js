// What a script can try: its event's `attack` names it.

const attacks = {
  // Does not come back.
  loop() {
    for (;;);
  },
  // Keeps all that it can get.
  memory() {
    const all = [];
    for (;;) {
      all.push(new Uint8Array(1 << 20));
    }
  },
  // Calls itself without end, and again when it is told to stop.
  recursion() {
    const call = () => {
      try {
        return call() + call();
      } catch {
        return call();
      }
    };
    return call();
  },
  // Has the matcher try all ways to cut a word.
  expression() {
    return /^(([a-z])+.)+[A-Z]([a-z])+$/.test("a".repeat(64));
  },
  // Returns a thousand effects.
  effects() {
    const act = { tag: "act", val: { name: "note.add", payload: "{}" } };
    return Array(1000).fill(act);
  },
};

export function describe() {
  return {
    triggers: [{ type: "*", ignore: [] }],
    emits: [],
    acts: ["note.*"],
    summary: "Attacks in JavaScript.",
  };
}

export function handle(event) {
  return attacks[JSON.parse(event.data).attack]();
}
