// `describe`: everything that is known of one cluster, shard or node.

import { EXIT, Failure } from '../failure.ts';
import { type Session, shardIndex } from '../session.ts';
import { printBlocks } from './blocks.ts';
import type { ClusterBody } from '../../api/render.ts';
import { type ClusterDescription, clusterBlocks, nodeBlocks, shardBlocks } from './describe-view.ts';
import { existing } from './named.ts';
import { slotsByNode } from './node-rows.ts';
import { groupAt } from './status.ts';
import type { EventBody, ExplanationBody, MigrationBody, StatusBody } from './status-body.ts';
import { nodeNamed } from './places.ts';

/** All that the API keeps of a cluster. */
const EVENTS_QUERY = '/events?limit=1000';

export async function describeCluster(session: Session, name: string | undefined): Promise<void> {
  const cluster = name ?? session.cluster;
  const [health, stored, migrations, events] = await Promise.all([
    statusOf(session, cluster),
    storedOf(session, cluster),
    session.client.get(session.path('/migrations', cluster)),
    eventsOf(session, cluster),
  ]);
  const data = {
    status: health.status,
    cluster: stored,
    ...(migrations.data as { readonly migrations: readonly MigrationBody[] }),
    events,
  };
  const description: ClusterDescription = {
    namespace: session.namespace,
    status: health.status,
    slots: slotsByNode(stored),
    group: session.output.isTable ? await groupAt(session.client, health.host) : null,
    migrations: data.migrations,
    events,
  };
  await session.output.show({
    data,
    names: [health.status.cluster],
    table: () => printBlocks(session.terminal, clusterBlocks(description)),
  });
}

export async function describeShard(session: Session, text: string | undefined): Promise<void> {
  const index = text === undefined ? session.shard : shardIndex(text);
  const { cluster } = session;
  const [explained, { status }, stored, events] = await Promise.all([
    existing(`shard ${index} of ${cluster}`, () =>
      session.client.get(session.path(`/shards/${index}/explain`)),
    ),
    statusOf(session, cluster),
    storedOf(session, cluster),
    eventsOf(session, cluster),
  ]);
  const shard = stored.shards[index];
  if (shard === undefined)
    throw new Failure(EXIT.missing, `there is no shard ${index}: ${stored.shards.length} shards, from 0 on`);
  const data = {
    index,
    shard,
    ...(explained.data as { readonly explain: ExplanationBody }),
    nodes: status.nodes.filter((node) => node.shard === index),
    problems: status.problems.filter((problem) => problem.shard === index),
    migrations: status.migrations.filter(({ running }) =>
      running.some(({ source, target }) => source === index || target === index),
    ),
    last_decision: status.shards.find((each) => each.shard === index)?.last_decision ?? null,
    events: events.filter((event) => event.shard === index),
  };
  await session.output.show({
    data,
    names: [String(index)],
    table: () => printBlocks(session.terminal, shardBlocks(data)),
  });
}

export async function describeNode(session: Session, text: string): Promise<void> {
  const { cluster } = session;
  const [{ id }, { status }, events] = await Promise.all([
    nodeNamed(session, text),
    statusOf(session, cluster),
    eventsOf(session, cluster),
  ]);
  const node = status.nodes.find((each) => each.id === id);
  if (node === undefined)
    throw new Failure(
      EXIT.missing,
      `${text} belongs to ${cluster}, and nothing is known of it yet: ask again`,
    );
  const data = {
    node,
    problems: status.problems.filter((problem) => problem.node === id),
    events: events.filter((event) => event.node === id),
  };
  await session.output.show({
    data,
    names: [id],
    table: () => printBlocks(session.terminal, nodeBlocks(data)),
  });
}

async function statusOf(
  session: Session,
  cluster: string,
): Promise<{ readonly status: StatusBody; readonly host: string }> {
  const { data, host } = await existing(`cluster ${cluster}`, () =>
    session.client.get(session.path('/status', cluster)),
  );
  return { ...(data as { readonly status: StatusBody }), host };
}

async function storedOf(session: Session, cluster: string): Promise<ClusterBody> {
  const { data } = await session.client.get(session.path('', cluster));
  return (data as { readonly cluster: ClusterBody }).cluster;
}

/** Newest first. */
async function eventsOf(session: Session, cluster: string): Promise<readonly EventBody[]> {
  const { data } = await session.client.get(session.path(EVENTS_QUERY, cluster));
  return (data as { readonly events: readonly EventBody[] }).events;
}
