// The shapes that travel: what the server sends, and what users of the client are given. Types only, nothing runs.

/** One row of a watched table was changed. */
export interface Change {
  /** Number in the log. Order is the order of frames, never that of `seq`. */
  seq: number;
  channel: string;
  /** `enter` and `leave`: the row begins or ceases to belong to a filtered topic. */
  op: 'insert' | 'update' | 'delete' | 'truncate' | 'enter' | 'leave';
  /** The key as text; of several columns their JSON array. Absent on truncate. */
  id?: string;
  /** Names this state of the row; on delete the version removed. */
  version?: number;
  /** The whole row after the change; null when it is too large to travel. */
  row?: Row | null;
  /** Former values of the columns that changed; on delete of all. */
  old?: Row | null;
  /** The row is over 1 MiB: read it by REST. */
  too_large?: boolean;
}

/** All changes of one transaction, in order. */
export interface Commit {
  xid: string;
  /** Time of its last change by the database's clock. */
  at: string;
  actor: string | null;
  branch: string | null;
  changes: Change[];
}

/** A row as JSON. */
export type Row = Record<string, any>;

/** Why commits may be missing. */
export type ResetReason = 'expired' | 'foreign' | 'lost' | 'schema';

/** What a subscription says, in order. Store `cursor` with what the event led to. */
export type FeedEvent =
  /** Whole transactions; may be none, then only the cursor moves. */
  | { type: 'commits'; commits: Commit[]; cursor: string }
  /** All rows of the topic by channel: forget what you have. */
  | { type: 'rows'; rows: Record<string, Row[]>; cursor: string }
  /** Commits may be missing. With `snapshot` all rows follow; else it is the last event. */
  | { type: 'reset'; reason: ResetReason }
  /** The channel is no more; the last event. */
  | { type: 'unwatched' };

/** A frame of the server. */
export interface Frame {
  type: string;
  topic?: string;
  ref?: string | number;
  cursor?: string;
  more?: boolean;
  commits?: Commit[];
  rows?: Row[];
  channel?: string;
  reason?: string;
  code?: string;
  message?: string;
  heartbeat?: number;
}

/** Gives a token: itself, or with its end in milliseconds since 1970. `refused` is the one that was just refused. */
export type GetToken = (asked: { refused?: string }) => Token | Promise<Token>;

/** A token as text. The end of a JWT is read from it. */
export type Token = string | { token: string; expiresAt?: number } | null | undefined;

/** How a client reaches its server. */
export interface ClientOptions {
  /** Address of the server, `https://…` or `wss://…`; a page's own origin if absent. */
  url?: string;
  /** Another name for `url`. */
  wsUrl?: string;
  /** Asked at every connect, and before a token ends. */
  getToken?: GetToken;
  /** Told whenever the state is another one. */
  onState?: (state: ClientState) => void;
  /** Told of what went wrong and will be tried again, and of what will not. */
  onError?: (error: Error) => void;
  /** The class to connect with, where there is none or should be another. */
  WebSocket?: any;
}

/** `live`: connected. `connecting`: on the way, or pausing before the next try. `closed`: for good. */
export type ClientState = 'idle' | 'connecting' | 'live' | 'closed';

/** How a subscription begins and whom it tells. Without callbacks, iterate it. */
export interface SubscribeOptions {
  /** A cursor, or an RFC 3339 time. */
  since?: string | null;
  /** First all rows; again after every reset. */
  snapshot?: boolean;
  /** Key columns of the channels, where the rows must be read in pages: `id`. */
  key?: string | string[];
  /** Changes and rows that may wait here before the rest waits in the server's log: 10,000. */
  queued?: number;
  /** Each is awaited before the next is called. One that throws ends the subscription. */
  onCommits?: (commits: Commit[], cursor: string) => unknown;
  onRows?: (rows: Record<string, Row[]>, cursor: string) => unknown;
  onReset?: (reason: ResetReason) => unknown;
  /** The last call: `error` is why, if not by `close()` or because the channel is no more. */
  onEnd?: (error?: Error) => unknown;
  onState?: (state: SubscriptionState) => unknown;
}

/** See SPEC.md. */
export type SubscriptionState =
  'away' | 'joining' | 'filling' | 'paging' | 'live' | 'leaving' | 'full' | 'resting' | 'ended';

/** What became of rows between two positions. */
export interface Step {
  /** True when all rows were read anew: `rows` are all there are. */
  startedOver: boolean;
  /** New rows by id; null where a row is gone. */
  rows: Map<string, Row | null>;
  /** The position before; null when started over. */
  since: string | null;
  /** The position after. */
  cursor: string;
}

/** What one frame did to a copy of a table. */
export interface Update extends Step {
  /** The transactions that did it; none when started over. */
  commits: Commit[];
}

/** Which rows a copy is of. */
export interface CopyOf {
  /** Address of the server. */
  url: string;
  /** Canonical. */
  topic: string;
  /** The columns of the key. */
  key: string[];
}

/** Keeps copies of tables beyond the page: `RowStore`, or one of your own. */
export interface CopyStore {
  open(of: CopyOf): Promise<KeptCopy>;
}

/** One copy that is kept, as one collection sees it. */
export interface KeptCopy {
  /** Rows by id as they were kept. */
  rows: Iterable<[string, Row]>;
  /** The position they are as of; null when nothing is kept. */
  cursor: string | null;
  /**
   * Keeps rows and cursor, both or neither; the next call comes after this has settled. False where what is kept is not
   * as of `since`: then all rows follow, started over.
   */
  save(step: Step): Promise<boolean>;
  close(): unknown;
}

/** How a collection is made. */
export interface CollectionOptions {
  /** The column that is the key, or the columns in key order: `id`. */
  key?: string | string[];
  /** Keeps the rows, so that they are there at once the next time, also without a network. */
  store?: CopyStore;
}

/** A write that waits to be sent. */
export interface Operation {
  /** Its place among all. */
  seq: number;
  /** By which the server knows it again, so that it is done once. */
  key: string;
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  channel: string;
  id: string;
  row?: Row;
  /** The version it was made from. */
  version?: number;
  /** Instead: the operation on the same row that it was made after. */
  after?: number;
  conflict?: Conflict;
  /** When it was made, in milliseconds since 1970. */
  at: number;
  /** How often the server answered that it could not do it now. */
  attempts: number;
}

/** What the server does where the version is not current any more. */
export type Conflict = 'reject' | 'merge' | 'force' | 'keep';

/** An operation the server will not do. It stays until somebody sends it again or discards it. */
export interface Letter extends Operation {
  /** Why: the server's problem, with `code`, `status` and `detail`; of a conflict with `current` and `base`. */
  problem: Record<string, any>;
  /** The operation that failed before it, where that is the reason. */
  because?: number;
  deadAt: number;
}

/** What became of an operation that was done. */
export interface Done {
  operation: Operation;
  row: Row;
  version?: number;
  xid?: string;
  replayed?: boolean;
}

/** One result of a batch. */
export interface Result {
  status: number;
  id?: string;
  version?: number;
  xid?: string;
  replayed?: boolean;
  row?: Row;
  problem?: Record<string, any>;
  retry_after?: number;
}

/** What becomes of operations that were sent. */
export interface Outcomes {
  done: Done[];
  dead: { operation: Operation; problem: Record<string, any> }[];
  /** To be sent again. */
  again: Operation[];
}

/** Counts since the queue was made, over all tabs and visits. */
export interface Totals {
  /** Operations that were done. */
  done: number;
  /** Of these: done before, when the answer was lost. */
  replayed: number;
  /** Operations that came back as letters. */
  dead: number;
  /** Requests that were answered. */
  rounds: number;
  /** Requests that were not, or not now. */
  failures: number;
}

/** `idle`: nothing to send. `blocked`: another tab sends. `unauthorized`: waits for a token that is taken. */
export type QueueState = 'idle' | 'blocked' | 'sending' | 'waiting' | 'unauthorized' | 'closed';

/** Whose rows a `RowStore` keeps. */
export interface RowStoreOptions {
  /** Names the database in the browser: `rowbell` if absent. */
  name?: string;
  /** Who reads. What is kept for anybody else under this name is dropped when the store is opened. */
  subject?: string;
}

/** What changed in a queue. */
export interface QueueChange {
  pending: Operation[];
  done: Done[];
}

export interface QueueOptions {
  /** Names the database in the browser; one for each user of a device. `rowbell` if absent. */
  name?: string;
  /** Address of the server; a page's own origin if absent. */
  url?: string;
  getToken?: GetToken;
  /** Instead of both: a client to send as, which also tells when the server is back. */
  client?: import('./realtime-client.js').RealtimeClient;
  /** Key columns of channels whose key is not `id`. */
  keys?: Record<string, string | string[]>;
  /** Who writes and from where, if no token says it. */
  actor?: string;
  branch?: string;
  /** Operations it may hold: 10,000. */
  capacity?: number;
  /** How often the server may say that it cannot do one now, before that becomes a letter: 10. */
  attempts?: number;
  onChange?: (change: QueueChange) => unknown;
  onProgress?: (progress: { done: number; total: number }) => unknown;
  onLetter?: (letters: Letter[]) => unknown;
  onState?: (state: QueueState) => unknown;
}
