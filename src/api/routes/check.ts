// A cluster as it is stored, compared with what all of its nodes say at this moment.

import { Hono } from 'hono';

import { printTime } from '../../base/wall-time.ts';
import type { CheckRefusal, ClusterCheck } from '../../control/check.ts';
import { answer } from '../answers.ts';
import { readCluster } from '../change-cluster.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError, missing } from '../errors.ts';
import { clusterPath } from './clusters.ts';

/** For the leader. */
export function checkRoutes({ clusters, attention }: Pick<ApiDependencies, 'clusters' | 'attention'>): Hono {
  return new Hono().get('/namespaces/:namespace/clusters/:cluster/check', async (context) => {
    const path = clusterPath(context);
    await readCluster(clusters, path);
    const checked = await attention.check(path);
    if (!checked.ok) throw checkRefusal(checked.error);
    return answer(context, { check: renderCheck(checked.value) });
  });
}

function checkRefusal({ kind }: CheckRefusal): ApiError {
  return kind === 'missing'
    ? missing()
    : new ApiError('unavailable', 'this controller has just lost the lead, please retry');
}

function renderCheck(check: ClusterCheck): object {
  return {
    is_clean: check.isClean,
    version: check.version,
    checked_at: printTime(check.checkedAtSeconds),
    nodes_asked: check.nodesAsked,
    nodes_answered: check.nodesAnswered,
    findings: check.findings.map(({ kind, severity, shardIndex, node, address, text, remedy }) => ({
      kind,
      severity,
      shard: shardIndex,
      node,
      address,
      text,
      remedy,
    })),
  };
}
