// The outbox of a device that works it off by itself, as an app does: what was refused for good is not sent again until somebody says so, and
// what names an entry that is still here waits for it.

type Json = Record<string, unknown>;

interface Entry {
  intent: Json;
  /** Why it was refused for good. */
  error?: Json;
}

/** What became of an intent that was sent. */
interface Answered {
  operation_id: string;
  status: string;
  problem?: { code: string; status: number; detail?: string };
}

/** Entries in the order in which they were made. */
export class Queue {
  #entries: Entry[] = [];

  add(intents: readonly Json[]): void {
    this.#entries.push(...intents.map((intent) => ({ intent })));
  }

  /** What can be sent: neither refused, nor naming something that is still here. */
  ready(): Json[] {
    const here = new Set(this.#entries.map(({ intent }) => String(intent.operation_id)));
    const waits = (intent: Json) => ((intent.depends_on as string[] | undefined) ?? []).some((id) => here.has(id));
    return this.#entries.filter(({ intent, error }) => error === undefined && !waits(intent)).map(({ intent }) => intent);
  }

  /** Takes an answer: what is final leaves the queue, unless it is a refusal. */
  answered({ operation_id, status, problem }: Answered): void {
    const entry = this.#entries.find(({ intent }) => intent.operation_id === operation_id);
    if (entry === undefined || status === "deferred") throw new Error(`${operation_id} was sent before what it names`);
    if (status === "rejected") entry.error = { code: problem?.code, status: problem?.status, message: problem?.detail ?? "" };
    else this.#entries = this.#entries.filter((other) => other !== entry);
  }

  /** Sends an entry once more whatever it was refused for. Says whether it is here. */
  retry(operation_id: string): boolean {
    const entry = this.#entries.find(({ intent }) => intent.operation_id === operation_id);
    delete entry?.error;
    return entry !== undefined;
  }

  /** As a report lists it, whole. */
  digest(): Json {
    const entries = this.#entries.map(({ intent, error }) => ({
      operation_id: intent.operation_id, record_id: intent.record_id, collection: intent.collection, scope: intent.scope, op: intent.op,
      priority: intent.priority, created_at: intent.created_at, depends_on: intent.depends_on ?? [], bytes: 96,
      ...(error === undefined ? { state: "waiting", attempts: 0 } : { state: "poisoned", attempts: 1, last_attempt_at: intent.created_at, error }),
    }));
    return { total: entries.length, bytes: 96 * entries.length, truncated: false, entries };
  }
}
