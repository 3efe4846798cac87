/** Client of Panofleet's HTTP API: jobs in, results out. */

/** Where a job stands. */
export type State =
  | "waiting"
  | "queued"
  | "sent"
  | "running"
  | "blocked"
  | "closing"
  | "succeeded"
  | "dead"
  | "cancelled"
  | "expired";

/** What to make: the operation's name, and its parameters. */
export interface Output {
  op: string;
  [parameter: string]: unknown;
}

/** A job that is asked for: the fields of `POST /v1/jobs`. */
export interface NewJob {
  /** `https://…`, `s3://bucket/key`, or what `upload` gives. */
  source: string;
  /** Operations, by names of your own. */
  outputs?: Record<string, Output>;
  /** A named set of outputs beside those. */
  preset?: string;
  /** A second submit with the same key is the same job. */
  idempotency_key?: string;
  labels?: Record<string, string>;
  priority?: "high" | "normal" | "low";
  region?: string;
  regions?: string[];
  any_region?: boolean;
  hop_after?: string;
  start_at?: string;
  timeout?: string;
  deadline?: string;
  max_attempts?: number;
}

/** A job as the API shows it; what is not named here is there too. */
export interface Job {
  id: string;
  tenant: string;
  state: State;
  version: number;
  source: string;
  outputs: Record<string, Output>;
  region: string;
  lane: string;
  generation: number;
  attempt?: number;
  labels?: Record<string, string>;
  progress?: { fraction: number; step: string; uploaded_bytes: number };
  failure?: { class: string; code: string; message: string; fingerprint: string };
  accepted_at: string;
  deadline_at: string;
  finished_at?: string;
  links: { self: string; history: string; view: string; manifest?: string; outputs?: Record<string, string> };
  [field: string]: unknown;
}

/** The result of a job. */
export interface Manifest {
  job: string;
  outputs: Record<
    string,
    {
      op: string;
      prefix: string;
      entry_points: Record<string, string>;
      files: { path: string; bytes: number; sha256: string; content_type: string }[];
      total_bytes: number;
    }
  >;
  warnings?: string[];
  [field: string]: unknown;
}

/** What one line of many has come to. */
export interface Verdict {
  line: number;
  status: number;
  id?: string;
  problem?: { code: string; detail: string };
}

/** One thing that happened to a job. */
export interface HistoryEntry {
  at: string;
  state: State;
  reason: string;
  generation: number;
  attempt?: number;
  worker?: string;
  detail?: string;
}

/** What is to be different of a job that runs anew. What is not given stays as it was. */
export interface Rerun {
  region?: string;
  /** In place of `region`: those that it may run in, the preferred one first. */
  regions?: string[];
  /** Longest time that one attempt may run, such as `2h`. */
  timeout?: string;
  /** Longest time from now to being finished. */
  deadline?: string;
  max_attempts?: number;
  priority?: "high" | "normal" | "low";
}

/** Which jobs. */
export interface Filters {
  state?: string;
  label?: string;
  region?: string;
  operation?: string;
  worker?: string;
  attempt?: number;
  failure?: string;
  failed_within?: string;
  parent?: string;
  limit?: number;
}

/** How a file is uploaded. */
export interface UploadOptions {
  sha256?: string;
  partsFrom?: number;
}

/** A refusal, or no answer: `status` is the HTTP status (0 if there was none). */
export class PanofleetError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
  ) {
    super(`${detail} (${code}, ${status})`);
    this.name = "PanofleetError";
  }
}

/** A message that did not come from the webhook that it says, or long ago. */
export class BadSignature extends Error {
  override name = "BadSignature";
}

const ENDED: ReadonlySet<State> = new Set(["succeeded", "dead", "cancelled", "expired"]);
/** Tries of a request whose answer was lost or that is to come again later. */
const TRIES_MAX = 5;
/** The wait before the second try; it doubles. */
const WAIT_FIRST_MS = 250;
/** Longest wait of one question for a job to change. */
const POLL_S = 30;
/** Longest wait for an answer. */
const TIMEOUT_MS = 60_000;
/** Files from this size are sent in parts. */
const PARTS_FROM_BYTES = 32 * 1024 * 1024;
/** Parts of one file that are on their way at once. */
const PARTS_AT_ONCE = 4;
/** How far a webhook's timestamp may be off. */
const TOLERANCE_S = 300;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Where bytes are put. */
interface Address {
  url: string;
  method: string;
  headers: Record<string, string>;
}

interface InParts {
  id: string;
  parts: { bytes: number; count: number };
}

type Upload = { source: string } & (Address | InParts);

interface Asked {
  method?: string;
  body?: string;
  type?: string;
  /** Whether it changes nothing if it comes twice. */
  again?: boolean;
}

/** A client of one service. */
export class Client {
  readonly #url: string;
  readonly #headers: Record<string, string>;

  /** `key` is an API key, where the service asks for one; `tenant` says whose jobs it is about, where the key is for all. */
  constructor(url: string, { key, tenant }: { key?: string; tenant?: string } = {}) {
    this.#url = url.replace(/\/+$/, "");
    this.#headers = {
      ...(key ? { authorization: `Bearer ${key}` } : {}),
      ...(tenant ? { "panofleet-tenant": tenant } : {}),
    };
  }

  /** Submits a job, and gives it as it was accepted. */
  async submit(job: NewJob): Promise<Job> {
    const body = JSON.stringify({ idempotency_key: crypto.randomUUID(), ...job });
    return this.#ask("/v1/jobs", { method: "POST", body, again: true });
  }

  /** Submits up to 10,000 jobs in one request. Those without an idempotency key get one. */
  async submitMany(jobs: Iterable<NewJob>): Promise<Verdict[]> {
    const lines = Array.from(jobs, (job) => JSON.stringify({ idempotency_key: crypto.randomUUID(), ...job }));
    const asked = { method: "POST", body: lines.join("\n"), type: "application/x-ndjson", again: true };
    const answer = await this.#open("/v1/jobs", asked);
    const text = await answer.text();
    return text.split("\n").filter(Boolean).map((line) => JSON.parse(line) as Verdict);
  }

  /**
   * Puts a file into the object store, and gives the source that a job names. From `partsFrom` bytes on it is sent in parts,
   * several at once. A job whose source turns out to have another SHA-256 than `sha256` (hexadecimal) is rejected.
   */
  async upload(file: Blob, { sha256, partsFrom = PARTS_FROM_BYTES }: UploadOptions = {}): Promise<string> {
    const asked = {
      bytes: file.size,
      parts: file.size >= partsFrom,
      ...(file.type ? { content_type: file.type } : {}),
      ...(sha256 ? { sha256 } : {}),
    };
    const upload = await this.#ask<Upload>("/v1/uploads", { method: "POST", body: JSON.stringify(asked), again: true });
    if ("parts" in upload) await this.#sendParts(file, upload);
    else await put(async () => upload, file);
    return upload.source;
  }

  async #sendParts(file: Blob, { id, parts }: InParts): Promise<void> {
    const link = `/v1/uploads/${part(id)}`;
    let next = 1;
    const sendSome = async () => {
      for (let number = next++; number <= parts.count; number = next++) {
        const body = JSON.stringify({ numbers: [number] });
        // A fresh one for each try: the last may have expired.
        const address = async () => {
          const asked = { method: "POST", body, again: true };
          return (await this.#ask<{ parts: [Address] }>(`${link}/parts`, asked)).parts[0];
        };
        const begin = (number - 1) * parts.bytes;
        try {
          await put(address, file.slice(begin, begin + parts.bytes));
        } catch (error) {
          next = parts.count + 1; // The others begin no further part.
          throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, sendSome));
    await this.#ask(`${link}/complete`, { method: "POST", again: true });
  }

  /** One job. */
  job(id: string): Promise<Job> {
    return this.#ask(`/v1/jobs/${part(id)}`);
  }

  /** What happened to a job, oldest first. */
  async history(id: string): Promise<HistoryEntry[]> {
    return (await this.#ask<{ entries: HistoryEntry[] }>(`/v1/jobs/${part(id)}/history`)).entries;
  }

  /** The result of a job. */
  manifest(id: string): Promise<Manifest> {
    return this.#ask(`/v1/jobs/${part(id)}/manifest`);
  }

  /** A file of a result, by the path that the manifest has. */
  file(id: string, output: string, path: string): Promise<Response> {
    const parts = path.split("/").map(part).join("/");
    return this.#open(`/o/${part(id)}/${part(output)}/${parts}`, {});
  }

  /** Jobs that match, newest first; pages are asked for as they are needed. */
  async *jobs(filters: Filters = {}): AsyncGenerator<Job> {
    const query = new URLSearchParams({ limit: "200" });
    for (const [name, value] of Object.entries(filters)) {
      if (value !== undefined) query.set(name, String(value));
    }
    for (;;) {
      const page = await this.#ask<{ jobs: Job[]; next: string | null }>(`/v1/jobs?${query}`);
      yield* page.jobs;
      if (page.next === null) return;
      query.set("before", page.next);
    }
  }

  /** The job now, and whenever it or its progress changes, until it has ended. */
  async *events(id: string): AsyncGenerator<Job> {
    let job = await this.job(id);
    yield job;
    while (!ENDED.has(job.state)) {
      const query = new URLSearchParams({ seconds: String(POLL_S), version: String(job.version) });
      const news = await this.#ask<Job>(`/v1/jobs/${part(id)}/wait?${query}`);
      if (JSON.stringify(news) !== JSON.stringify(job)) yield news;
      job = news;
    }
  }

  /** The job once it has ended. */
  async wait(id: string): Promise<Job> {
    let last: Job | undefined;
    for await (const job of this.events(id)) last = job;
    return last as Job;
  }

  /** Cancels a job. */
  cancel(id: string): Promise<Job> {
    return this.#ask(`/v1/jobs/${part(id)}/cancel`, { method: "POST", again: true });
  }

  /** Starts a job that has ended anew, or has one that waits for its time go at once, with what is to be different. */
  retry(id: string, changes: Rerun = {}): Promise<Job> {
    return this.#ask(`/v1/jobs/${part(id)}/retry`, { method: "POST", body: JSON.stringify(changes) });
  }

  /** Asks whoever holds a job to let it go, so that it goes again. */
  release(id: string): Promise<Job> {
    return this.#ask(`/v1/jobs/${part(id)}/release`, { method: "POST", again: true });
  }

  async #ask<T>(path: string, asked: Asked = {}): Promise<T> {
    return (await (await this.#open(path, asked)).json()) as T;
  }

  async #open(path: string, asked: Asked): Promise<Response> {
    const { method = "GET", body, type = "application/json", again = method === "GET" } = asked;
    const headers = { ...this.#headers, ...(body === undefined ? {} : { "content-type": type }) };
    const init: RequestInit = { method, headers, ...(body === undefined ? {} : { body }) };
    const ask = () => fetch(this.#url + path, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const answer = await patiently(ask, again, this.#url);
    if (answer.ok) return answer;
    throw await refusal(answer);
  }
}

/** What changes nothing if it comes twice is sent again where no answer comes, or one that says later. */
async function patiently(ask: () => Promise<Response>, again: boolean, whom: string): Promise<Response> {
  const tries = again ? TRIES_MAX : 1;
  for (let attempt = 1; ; attempt++) {
    let wait = WAIT_FIRST_MS * 2 ** (attempt - 1);
    try {
      const answer = await ask();
      if (attempt === tries || ![429, 502, 503, 504].includes(answer.status)) return answer;
      const asked = Number(answer.headers.get("retry-after") ?? 0);
      if (Number.isFinite(asked)) wait = Math.max(wait, Math.min(asked, 30) * 1000);
      await answer.body?.cancel();
    } catch (error) {
      if (attempt === tries) throw new PanofleetError(0, "no_answer", `no answer from ${whom}: ${error}`);
    }
    await pause(wait);
  }
}

/** Puts bytes to the address that it is given for each try. */
async function put(address: () => Promise<Address>, body: Blob): Promise<void> {
  const forbidden = new Set(["host", "content-length"]);
  for (let attempt = 1; ; attempt++) {
    const { url, method, headers: given } = await address();
    const headers = Object.entries(given).filter(([name]) => !forbidden.has(name.toLowerCase()));
    const answer = await patiently(() => fetch(url, { method, headers, body }), true, "the object store");
    if (answer.ok) return;
    const text = (await answer.text()).slice(0, 400);
    // 403: the address has expired.
    if (answer.status !== 403 || attempt === TRIES_MAX) {
      throw new PanofleetError(answer.status, "upload_refused", text);
    }
    await pause(WAIT_FIRST_MS * 2 ** (attempt - 1));
  }
}

async function refusal(answer: Response): Promise<PanofleetError> {
  try {
    const problem = (await answer.json()) as { code: string; detail: string; title: string };
    return new PanofleetError(answer.status, problem.code, problem.detail || problem.title);
  } catch {
    return new PanofleetError(answer.status, "unknown", `the service answered ${answer.status}`);
  }
}

function part(text: string): string {
  return encodeURIComponent(text);
}

/**
 * The message of a webhook (Standard Webhooks 1.0), if it is signed with the secret and not old.
 *
 * `secret` is `whsec_…` as `panofleet webhooks add` printed it; `body` is the request's, byte for byte.
 */
export async function verifyWebhook(
  secret: string,
  headers: Headers | Record<string, string>,
  body: Uint8Array,
  nowS: number = Date.now() / 1000,
): Promise<{ type: string; timestamp: string; data: Job }> {
  const given = new Headers(headers);
  const [id, at, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => given.get(name));
  if (!id || !at || !signatures) throw new BadSignature("webhook-id, webhook-timestamp or webhook-signature is missing");
  if (!(Math.abs(nowS - Number(at)) <= TOLERANCE_S)) throw new BadSignature("the message is too old, or a clock is wrong");
  const bytes = (text: string) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const raw = bytes(secret.replace(/^whsec_/, ""));
  const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const prefix = new TextEncoder().encode(`${id}.${at}.`);
  const signed = new Uint8Array(prefix.length + body.length);
  signed.set(prefix);
  signed.set(body, prefix.length);
  for (const signature of signatures.split(" ")) {
    const [version, text = ""] = signature.split(",");
    try {
      // The comparison takes the same time whatever differs.
      if (version === "v1" && (await crypto.subtle.verify("HMAC", key, bytes(text), signed))) {
        return JSON.parse(new TextDecoder().decode(body));
      }
    } catch {
      // No base64: it fits nothing.
    }
  }
  throw new BadSignature("no signature fits the secret");
}
