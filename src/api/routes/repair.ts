// Nodes told again what they have to be, nodes that have left and cannot be told, and clusters out of a backup that are accepted.

import { type Context, Hono } from 'hono';

import type { SyncedNode, SyncRefusal } from '../../control/sync-outcome.ts';
import { acceptedCluster } from '../../topology/accept-cluster.ts';
import { findNode } from '../../topology/cluster.ts';
import { type Departures, untold, withDeparture } from '../../topology/departure.ts';
import type { EventDraft } from '../../topology/event.ts';
import { parseNodeId } from '../../topology/node.ts';
import type { ClusterRecord } from '../../topology/record.ts';
import type { NodeId } from '../../topology/types.ts';
import { readForAcceptance } from '../accept.ts';
import { answer } from '../answers.ts';
import { readNoBody, readOptionalBody } from '../body.ts';
import { changeRecord, readCluster, type RecordChange, told } from '../change-cluster.ts';
import { type ApiDependencies, wallSeconds } from '../dependencies.ts';
import { ApiError, missing } from '../errors.ts';
import { settled } from '../parse.ts';
import { acceptBody, syncBody } from '../schemas/bodies.ts';
import { clusterPath } from './clusters.ts';

const CLUSTER = '/namespaces/:namespace/clusters/:cluster';

type Repairs = Pick<ApiDependencies, 'clusters' | 'departures' | 'attention' | 'inspector' | 'clock'>;

/** Objections in one answer. */
const OBJECTIONS_TOLD = 5;

export function repairRoutes(dependencies: Repairs): Hono {
  return new Hono()
    .post(`${CLUSTER}/accept`, (context) => accept(dependencies, context))
    .post(`${CLUSTER}/sync`, (context) => sync(dependencies, context))
    .delete(`${CLUSTER}/departed/:node`, (context) => forget(dependencies, context));
}

/**
 * Confirms that this group alone manages the cluster from now on, which lifts the hold on its pushes; then every node, or one, is told its
 * topology again, also where it seems in place.
 */
async function sync({ clusters, attention }: Repairs, context: Context): Promise<Response> {
  const { node } = await readOptionalBody(context, syncBody);
  const path = clusterPath(context);
  const record = await readCluster(clusters, path);
  const id = node === undefined ? null : memberOf(record, node);
  const whom = id === null ? 'all nodes are' : `node ${findNode(record.cluster, id)?.node.address ?? id} is`;
  const text = `${whom} to be told the topology again, as somebody has asked`;
  const event: EventDraft = { kind: 'syncRequested', text, node: id };
  await changeRecord(clusters, path, (current) => confirmed(current, event));
  const synced = await attention.sync(path, id);
  if (!synced.ok) throw syncRefusal(synced.error);
  return answer(context, {
    sync: { version: record.cluster.version, nodes: synced.value.map(renderSynced) },
  });
}

/**
 * Has a cluster of a group that was made out of a backup managed from now on, as it is recorded, unless its nodes say that this would replace newer
 * data by older.
 */
async function accept(dependencies: Repairs, context: Context): Promise<Response> {
  const { clusters } = dependencies;
  const { force } = await readOptionalBody(context, acceptBody);
  const path = clusterPath(context);
  const { cluster } = observed(await readCluster(clusters, path));
  const { highestVersion, objections } = await readForAcceptance(
    dependencies,
    cluster,
    context.req.raw.signal,
  );
  if (objections.length > 0 && !force) throw notAccepted(objections);
  const nowSeconds = wallSeconds(dependencies);
  const next = await changeRecord(clusters, path, (record, tasks) => {
    const { facts } = observed(record);
    const accepted = acceptedCluster({ cluster: record.cluster, tasks }, facts, {
      highestVersion,
      nowSeconds,
    });
    if (!accepted.ok)
      throw new ApiError('conflict', 'a move of its slots could not be given up, please retry');
    const text = `it is managed by this group again, as it is recorded${objections.length === 0 ? '' : `, although ${objectionsText(objections)}`}`;
    return { ...accepted.value, event: { kind: 'clusterAccepted', text } };
  });
  return answer(context, { accept: { version: next.version, overridden: objections } });
}

/** `record` of a cluster that is only observed. */
function observed(record: ClusterRecord): ClusterRecord {
  if (record.facts.observedSinceSeconds !== null) return record;
  throw new ApiError('conflict', 'the cluster is managed already, there is nothing to accept');
}

function notAccepted(objections: readonly string[]): ApiError {
  return new ApiError(
    'conflict',
    `what the nodes say now is not what is recorded, and newer data could be replaced by older: ${objectionsText(objections)}. Mend that and ask again; ` +
      'or delete the cluster, which tells its nodes nothing, and import it from them; or accept it as it is recorded: {"force": true}',
  );
}

function objectionsText(objections: readonly string[]): string {
  const more = objections.length - OBJECTIONS_TOLD;
  return `${objections.slice(0, OBJECTIONS_TOLD).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

function memberOf({ cluster }: ClusterRecord, text: string): NodeId {
  const id = parseNodeId(text);
  if (!id.ok || findNode(cluster, id.value) === null) throw missing();
  return id.value;
}

/** Where somebody else was found to push, too, the wish confirms that nobody does any more. */
function confirmed({ cluster, facts }: ClusterRecord, event: EventDraft): RecordChange {
  if (facts.contestedVersion === null) return { cluster, event };
  const text = 'this group alone manages the cluster, as somebody has confirmed';
  return {
    cluster,
    facts: { ...facts, contestedVersion: null },
    before: { kind: 'clusterConfirmed', text },
    event,
  };
}

function syncRefusal({ kind }: SyncRefusal): ApiError {
  switch (kind) {
    case 'missing':
      return missing();
    case 'busy':
      return new ApiError('conflict', 'this cluster is being told its topology again already, please retry');
    default:
      return new ApiError('unavailable', 'this controller has just lost the lead, please retry');
  }
}

function renderSynced({
  id,
  address,
  wantedVersion,
  seenVersion,
  isTold,
  why,
  isConverged,
}: SyncedNode): unknown {
  return {
    id,
    addr: address,
    version: { wanted: wantedVersion, seen: seenVersion },
    told: isTold,
    why,
    converged: isConverged,
  };
}

/**
 * Whoever does that has seen to it that the node never comes back: it follows its old master as soon as it does. What is remembered of one that has
 * heard is all that proves it as a copy when it comes back, and costs nothing.
 */
async function forget({ clusters, departures }: Repairs, context: Context): Promise<Response> {
  await readNoBody(context);
  const id = parseNodeId(context.req.param('node') ?? '');
  if (!id.ok) throw missing();
  const path = clusterPath(context);
  await readCluster(clusters, path);
  const known = departures.ofCluster(path).find((departure) => departure.id === id.value);
  if (known === undefined) throw missing();
  if (known.toldAtSeconds !== null)
    throw new ApiError(
      'conflict',
      `${known.address} has heard that it left; it is remembered only so that it can come back as the copy that it is, and nothing waits for it`,
    );
  const text = `node ${known.address}, which has left, and was not told, is forgotten, as somebody has asked`;
  const event: EventDraft = { kind: 'departureForgotten', text, node: id.value };
  const isOpen = (present: Departures): boolean => untold(present).some((left) => left.id === id.value);
  const gone = await departures.change(
    path,
    (present) => (isOpen(present) ? withDeparture(present, id.value, () => null) : null),
    { events: told(event) },
  );
  settled(gone);
  return answer(context, 'ok');
}
