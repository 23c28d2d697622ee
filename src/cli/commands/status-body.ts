// What the API says of a cluster's health, as far as it is shown.

/** From the gravest on. */
export const SEVERITIES = ['critical', 'error', 'warning', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface ProblemBody {
  readonly kind: string;
  readonly severity: Severity;
  readonly title: string;
  readonly detail: string;
  readonly remedy: string;
  readonly shard: number | null;
  readonly node: string | null;
  readonly addr: string | null;
}

export interface WishBody {
  readonly until: string | null;
  readonly reason: string;
  readonly set_at: string | null;
}

export interface WitnessBody {
  /** A controller's number. */
  readonly by: number;
  readonly saw: string;
  readonly age_ms: number;
}

export interface NodeStatusBody {
  readonly id: string;
  readonly addr: string;
  readonly shard: number;
  readonly condition: string;
  readonly role: { readonly wanted: string; readonly seen: string | null };
  readonly version: { readonly wanted: number; readonly seen: number | null };
  readonly link_fault: string | null;
  readonly sequence: number | null;
  readonly behind: number | null;
  readonly last_look_age_ms: number | null;
  readonly missed_probes: number;
  readonly error: string | null;
  readonly failover_priority: number;
  readonly zone: string;
  readonly maintenance: WishBody | null;
  readonly converged: boolean;
  readonly witnesses: readonly WitnessBody[];
}

export interface MigrationBody {
  readonly id: number;
  readonly kind: string;
  readonly state: string;
  /** What it waits for, or how it ended. */
  readonly reason: string;
  readonly slots: { readonly total: number; readonly moved: number; readonly left: number };
  readonly percent: number;
  readonly slots_per_second: number | null;
  readonly seconds_left: { readonly least: number; readonly most: number } | null;
  readonly retries: number;
  readonly running: readonly {
    readonly slots: string;
    readonly source: number | null;
    readonly target: number | null;
    readonly stage: string;
  }[];
  readonly ended_at: string | null;
}

export interface ShortageBody {
  readonly shard: number;
  readonly there: number;
  readonly wanted: number;
  readonly since: string;
  readonly until: string | null;
  readonly plan: string;
}

export interface SparesBody {
  readonly copies: number | null;
  readonly replace_after_seconds: number;
  readonly nodes: readonly {
    readonly addr: string;
    readonly zone: string;
    readonly lost: string | null;
    readonly state: string;
    readonly reason: string;
  }[];
  readonly shards: readonly ShortageBody[];
}

export interface DepartedBody {
  readonly id: string;
  readonly addr: string;
  readonly left_at: string;
  readonly state: string;
  readonly error: string | null;
}

export interface EventBody {
  readonly id: string;
  readonly kind: string;
  readonly severity: string;
  readonly actor: string;
  readonly text: string;
  readonly node: string | null;
  readonly shard: number | null;
  readonly time: string;
}

export interface StatusBody {
  readonly cluster: string;
  readonly version: number;
  readonly converged: boolean;
  readonly automation: WishBody & {
    readonly failover: string;
    readonly ignore_mass_failure: boolean;
    readonly by: string | null;
  };
  readonly on_divergence: string;
  readonly nodes: readonly NodeStatusBody[];
  readonly departed: readonly DepartedBody[];
  readonly problems: readonly ProblemBody[];
  readonly shards: readonly {
    readonly shard: number;
    readonly master: string;
    readonly last_decision: EventBody | null;
  }[];
  readonly migrations: readonly MigrationBody[];
  readonly spares: SparesBody;
}

export interface ExplanationBody {
  readonly shard: number;
  readonly master: string;
  readonly verdict: string;
  readonly why: string;
  readonly missed_since: string | null;
  readonly next: { readonly action: string; readonly node: string; readonly at: string } | null;
  readonly gates: readonly {
    readonly gate: string;
    readonly verdict: string;
    readonly evidence: string;
    readonly left_ms: number | null;
    readonly until: string | null;
    readonly remedy: string | null;
  }[];
  readonly candidates: readonly {
    readonly node: string;
    readonly addr: string;
    readonly behind: number | null;
    readonly priority: number;
    readonly zone: string;
    readonly link_fault: string | null;
    readonly verdict: string;
    readonly reason: string;
  }[];
  readonly witnesses: readonly WitnessBody[];
  readonly copies: ShortageBody | null;
}
