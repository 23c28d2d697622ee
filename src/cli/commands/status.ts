// `status`: the health of one cluster, or a line for each.

import { type Client, isRecord } from '../client.ts';
import { EXIT, Failure } from '../failure.ts';
import type { Session } from '../session.ts';
import { printBlocks, table } from './blocks.ts';
import type { ClusterBody } from '../../api/render.ts';
import { existing, named } from './named.ts';
import { type SlotsByNode, slotsByNode } from './node-rows.ts';
import { endOnInterrupt, Patience, pause } from './polling.ts';
import type { StatusBody } from './status-body.ts';
import { type GroupSight, OVERVIEW_HEAD, overviewRow, statusBlocks } from './status-view.ts';

export interface StatusFlags {
  /** Null where the context may name one. */
  readonly cluster: string | null;
  /** All clusters, whatever the context names. */
  readonly isAll: boolean;
  /** Milliseconds between two looks; null for one look. */
  readonly watchMs: number | null;
}

/** Asked at a time, of many clusters. */
const REQUESTS_MAX = 8;
/** The group is told of beside the cluster: not worth a long wait. */
const GROUP_TIMEOUT_MS = 2000;
/** Heartbeats come several times a second: a member that was not heard for so long does not answer. */
const SILENT_MS = 5000;
/** To the upper left corner, and everything below it is gone. */
const CLEAR = '\u001B[H\u001B[J';

/** Shows what it has seen. Apart from the look, so that nothing is redrawn while the answer is awaited. */
type Draw = () => Promise<void>;

export async function status(session: Session, { cluster, isAll, watchMs }: StatusFlags): Promise<void> {
  const name = isAll ? null : (cluster ?? named(() => session.cluster));
  const look = (): Promise<Draw> => (name === null ? lookAtAll(session, isAll) : lookAtOne(session, name));
  const draw = await look();
  if (watchMs === null) return draw();
  await watch(session, { draw, look, watchMs });
}

/** Draws over what was there on a terminal, below it in a pipe. Ends with the process. */
async function watch(
  session: Session,
  {
    draw,
    look,
    watchMs,
  }: { readonly draw: Draw; readonly look: () => Promise<Draw>; readonly watchMs: number },
): Promise<never> {
  endOnInterrupt();
  const patience = new Patience(session);
  for (let next: Draw | null = draw; ; next = await patience.look(look)) {
    if (next !== null) {
      if (process.stdout.isTTY) process.stdout.write(CLEAR);
      await next();
    }
    await pause(watchMs);
    if (next !== null && !process.stdout.isTTY && session.output.isTable) session.terminal.print('');
  }
}

async function lookAtOne(session: Session, name: string): Promise<Draw> {
  const { client, output, terminal } = session;
  const path = session.path('/status', name);
  // Programs get what the API says of the health; slots and the group are for people.
  const [{ data, host }, slots] = await Promise.all([
    existing(`cluster ${name}`, () => client.get(path)),
    output.isTable ? slotsOf(session, name) : new Map<string, readonly string[]>(),
  ]);
  const { status: seen } = data as { readonly status: StatusBody };
  const group = output.isTable ? await groupAt(client, host) : null;
  const sight = { namespace: session.namespace, status: seen, slots, group };
  return () =>
    output.show({
      data,
      names: [seen.cluster],
      table: (isWide) => printBlocks(terminal, statusBlocks(sight, isWide)),
    });
}

async function slotsOf(session: Session, name: string): Promise<SlotsByNode> {
  const { data } = await existing(`cluster ${name}`, () => session.client.get(session.path('', name)));
  return slotsByNode((data as { readonly cluster: ClusterBody }).cluster);
}

/** Who leads and who is heard; null where `host`, who led a moment ago, does not know. */
export async function groupAt(client: Client, host: string): Promise<GroupSight | null> {
  try {
    const { data } = await client.at([host], GROUP_TIMEOUT_MS).get('/raft/peers');
    return groupSight(data as PeersBody);
  } catch (error) {
    if (error instanceof Failure) return null;
    throw error;
  }
}

interface PeersBody {
  readonly leader: number;
  readonly members: readonly {
    readonly id: number;
    readonly addr: string;
    readonly lag: number | null;
    readonly lastContactMs: number | null;
  }[];
}

/** Only the leader knows who is heard: its own lag is 0 then, and null in the words of any other. */
export function groupSight({ leader, members }: PeersBody): GroupSight | null {
  const leading = members.find(({ id }) => id === leader);
  if (leading === undefined || leading.lag === null) return null;
  const silent = members.filter(
    ({ id, lastContactMs }) => id !== leader && (lastContactMs === null || lastContactMs > SILENT_MS),
  );
  return {
    leader: leading.addr,
    members: members.map(({ addr }) => addr),
    silent: silent.map(({ addr }) => addr),
  };
}

interface Place {
  readonly namespace: string;
  readonly cluster: string;
}

interface PlaceSeen {
  readonly place: Place;
  readonly status: StatusBody;
}

/** One request, to whoever leads. */
type Get = (path: string) => Promise<{ readonly data: unknown }>;

async function lookAtAll(session: Session, isAll: boolean): Promise<Draw> {
  const namespace = isAll ? null : named(() => session.namespace);
  const seen = await clustersIn(namespace, (path) => session.client.get(path));
  const data = { clusters: seen.map(({ place, status: body }) => ({ namespace: place.namespace, ...body })) };
  return () =>
    session.output.show({
      data,
      items: data.clusters,
      names: seen.map(({ place }) => `${place.namespace}/${place.cluster}`),
      table: () => {
        const rows = seen.map(({ place, status: body }) => overviewRow(place.namespace, body));
        if (rows.length > 0) printBlocks(session.terminal, [table(OVERVIEW_HEAD, rows)]);
        else session.terminal.tell('there are no clusters');
      },
    });
}

/** The health of the clusters of one namespace, or of all of them. */
export async function clustersIn(namespace: string | null, get: Get): Promise<readonly PlaceSeen[]> {
  const namespaces = namespace === null ? await namesAt(get, '/namespaces', 'namespaces') : [namespace];
  const places = (await inTurns(namespaces, (each) => placesIn(get, each))).flat();
  return (await inTurns(places, (place) => lookAtPlace(get, place))).filter((each) => each !== null);
}

async function placesIn(get: Get, namespace: string): Promise<readonly Place[]> {
  const path = `/namespaces/${encodeURIComponent(namespace)}/clusters`;
  const clusters = await namesAt(get, path, 'clusters');
  return clusters.map((cluster) => ({ namespace, cluster }));
}

async function namesAt(get: Get, path: string, field: string): Promise<readonly string[]> {
  const { data } = await get(path);
  return ((isRecord(data) ? data[field] : null) ?? []) as readonly string[];
}

/** Null where it was deleted meanwhile. */
async function lookAtPlace(get: Get, place: Place): Promise<PlaceSeen | null> {
  const { namespace, cluster } = place;
  const path = `/namespaces/${encodeURIComponent(namespace)}/clusters/${encodeURIComponent(cluster)}/status`;
  try {
    const { data } = await get(path);
    return { place, status: (data as { readonly status: StatusBody }).status };
  } catch (error) {
    if (error instanceof Failure && error.code === EXIT.missing) return null;
    throw error;
  }
}

/** Works on a few at a time; what comes of each, in their order. */
async function inTurns<Item, Done>(
  items: readonly Item[],
  work: (item: Item) => Promise<Done>,
): Promise<readonly Done[]> {
  const done: Done[] = [];
  for (let first = 0; first < items.length; first += REQUESTS_MAX)
    done.push(...(await Promise.all(items.slice(first, first + REQUESTS_MAX).map(work))));
  return done;
}
