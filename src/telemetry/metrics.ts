// The metrics of one process: what was counted, what is read at a scrape, and the text of both.

import { collectDefaultMetrics, Registry } from 'prom-client';

import type { Clock } from '../base/clock.ts';
import { CLUSTER_SAMPLED, NODE_SAMPLED } from './declared/leader.ts';
import { HTTP_SAMPLED, PROCESS_COUNTED, PROCESS_SAMPLED, RAFT_SAMPLED } from './declared/member.ts';
import { HttpTally, type Rejection, type RequestLabels } from './http-counts.ts';
import { type LeaderCounts, LeaderTally } from './leader-counts.ts';
import { RaftTally } from './raft-counts.ts';
import {
  CLUSTER_READERS,
  type ClusterSample,
  HTTP_READERS,
  type HttpSample,
  NODE_READERS,
  RAFT_READERS,
  type RaftSample,
  sampledLines,
} from './samples.ts';
import { histogramOf, seriesOf } from './series.ts';
import { SlicedText } from './sliced-text.ts';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export interface MetricsOptions {
  /** This member's advertised address. */
  readonly host: string;
  /** Nodes above which none has series of its own. */
  readonly nodeSeriesMax: number;
  readonly build: { readonly version: string; readonly commit: string; readonly node: string };
  readonly clock: Clock;
}

/** Prometheus text. */
export interface RenderedMetrics {
  readonly pieces: readonly Uint8Array[];
  readonly contentType: string;
}

/** How the last reload of the configuration went, the start counted as one. */
export interface ReloadSample {
  readonly isLastGood: boolean;
  /** Seconds since the Unix epoch. */
  readonly readAtSeconds: number;
}

/** Owns all counts of a process. */
export class Metrics {
  readonly raft = new RaftTally();
  readonly #options: MetricsOptions;
  readonly #http: HttpTally;
  readonly #leader: LeaderTally;
  /** Those of the library, which names them. */
  readonly #defaults = new Registry();
  readonly #lag = histogramOf(PROCESS_COUNTED, 'event_loop_lag_seconds');
  readonly #build = seriesOf(PROCESS_SAMPLED, 'build_info');
  readonly #backup = seriesOf(PROCESS_SAMPLED, 'backup_success_timestamp_seconds');
  readonly #reload = seriesOf(PROCESS_SAMPLED, 'config_reload_success');
  readonly #reloadAt = seriesOf(PROCESS_SAMPLED, 'config_reload_timestamp_seconds');
  #rendering: Promise<RenderedMetrics> | null = null;
  #readRaft: (() => RaftSample) | null = null;
  #readHttp: (() => Omit<HttpSample, 'inFlight'>) | null = null;
  #readClusters: (() => Iterable<ClusterSample>) | null = null;
  #readConfig: (() => ReloadSample) | null = null;

  constructor(options: MetricsOptions) {
    this.#options = options;
    const { clock } = options;
    this.#http = new HttpTally(options.host);
    this.#leader = new LeaderTally(() => clock.wallMs() / 1000);
    this.#build.set(options.build, 1);
    this.#lag.begin({});
    collectDefaultMetrics({ register: this.#defaults });
  }

  /** Counts of the leader's work; there while this member leads. */
  get leader(): LeaderCounts {
    return this.#leader;
  }

  /** To be told of every change of the lead, before whoever begins or ends with it. */
  followLead(isLeading: boolean): void {
    this.#leader.follow(isLeading);
    this.raft.follow(isLeading);
  }

  requestBegan(): void {
    this.#http.began();
  }

  observeRequest(labels: RequestLabels, elapsedMs: number, payloadBytes: number): void {
    this.#http.observe(labels, elapsedMs, payloadBytes);
  }

  /** A request that never came to a route. */
  requestRejected(reason: Rejection): void {
    this.#http.rejected(reason);
  }

  observeLag(lagMs: number): void {
    this.#lag.observe({}, lagMs / 1000);
  }

  backedUp(): void {
    this.#backup.set({}, this.#options.clock.wallMs() / 1000);
  }

  /** From now on scrapes have what `sample` says of the configuration. */
  watchConfig(sample: () => ReloadSample): void {
    this.#readConfig = sample;
  }

  /** From now on scrapes have what `sample` says of Raft. */
  watchRaft(sample: () => RaftSample): void {
    this.#readRaft = sample;
  }

  watchHttp(sample: () => Omit<HttpSample, 'inFlight'>): void {
    this.#readHttp = sample;
  }

  /** One sample a cluster, each read when it is taken; none on a member that does not lead. */
  watchClusters(samples: () => Iterable<ClusterSample>): void {
    this.#readClusters = samples;
  }

  /** Made in slices, one text at a time: who asks while one is being made gets that one. */
  render(): Promise<RenderedMetrics> {
    this.#rendering ??= this.#render().finally(() => {
      this.#rendering = null;
    });
    return this.#rendering;
  }

  async #render(): Promise<RenderedMetrics> {
    const text = new SlicedText(() => this.#options.clock.monotonicMs());
    await text.add([await this.#defaults.metrics()]);
    if (this.#readConfig !== null) {
      const { isLastGood, readAtSeconds } = this.#readConfig();
      this.#reload.set({}, Number(isLastGood));
      this.#reloadAt.set({}, readAtSeconds);
    }
    for (const series of [this.#build, this.#backup, this.#reload, this.#reloadAt, this.#lag])
      await text.add(series.lines());
    await text.add(this.#http.lines());
    if (this.#readHttp !== null) {
      const sample = { ...this.#readHttp(), inFlight: this.#http.inFlight };
      await text.add(sampledLines(HTTP_SAMPLED, HTTP_READERS, sample));
    }
    if (this.#readRaft !== null) {
      const sample = this.#readRaft();
      await text.add(sampledLines(RAFT_SAMPLED, RAFT_READERS, sample));
      await text.add(this.raft.lines(sample.inboxDropped));
    }
    await text.add(this.#leader.lines());
    if (this.#readClusters !== null) await this.#addClusters(text, this.#readClusters());
    return { pieces: text.take(), contentType: CONTENT_TYPE };
  }

  /** Where there are none, as on a member that does not lead, not even the names. */
  async #addClusters(text: SlicedText, samples: Iterable<ClusterSample>): Promise<void> {
    const clusters: ClusterSample[] = [];
    let nodes = 0;
    for (const sample of samples) {
      clusters.push(sample);
      nodes += sample.nodes;
      await text.breathe();
    }
    if (clusters.length === 0) return;
    await text.add(sampledLines(CLUSTER_SAMPLED, CLUSTER_READERS, clusters));
    if (nodes <= this.#options.nodeSeriesMax)
      await text.add(sampledLines(NODE_SAMPLED, NODE_READERS, clusters));
  }
}
