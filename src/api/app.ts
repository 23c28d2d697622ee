// The whole HTTP surface of one member.

import { Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';

import { excerpt } from '../base/excerpt.ts';
import { AdmissionQueue } from './admission/queue.ts';
import { refuse } from './answers.ts';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError } from './errors.ts';
import { limitDeclaredLength, readBodies } from './middleware/limits.ts';
import { measureRequests } from './middleware/metrics.ts';
import { redirectToLeader, redirectToSuccessor } from './middleware/redirect.ts';
import { ClientLeftError, RequestBodies } from './request-bodies.ts';
import { RouteIndex } from './route-table.ts';
import { backupRoutes } from './routes/backup.ts';
import { clusterRoutes } from './routes/clusters.ts';
import { eventRoutes } from './routes/events.ts';
import { descriptionRoutes } from './routes/description.ts';
import { healthRoutes } from './routes/health.ts';
import { repairRoutes } from './routes/repair.ts';
import { insightRoutes, staleInsightRoutes } from './routes/insight.ts';
import { migrationRoutes } from './routes/migrations.ts';
import { scalingRoutes } from './routes/scaling.ts';
import { namespaceRoutes } from './routes/namespaces.ts';
import { nodeRoutes } from './routes/nodes.ts';
import { checkRoutes } from './routes/check.ts';
import { configurationRoutes } from './routes/configuration.ts';
import { policyRoutes } from './routes/policies.ts';
import { groupChangeRoutes, groupRoutes } from './routes/group.ts';
import { shardRoutes } from './routes/shards.ts';
import { upgradeRoutes, upgradeStatusRoutes } from './routes/upgrade.ts';
import { spareRoutes } from './routes/spares.ts';
import { verifyBackupRoutes } from './routes/verify-backup.ts';
import { webhookRoutes } from './routes/webhooks.ts';

const API = '/api/v1';
/** What is counted for a client that left before its request was whole; nobody receives it. */
const CLIENT_LEFT = 499;

/**
 * The application: own routes first, which any member answers, then everything that only the leader answers. What peers send under `/raft` is taken
 * before it gets here.
 */
export function createApp(dependencies: ApiDependencies): Hono {
  const bodies = readBodies(new RequestBodies());
  const own = new Hono()
    .route('/', healthRoutes(dependencies))
    .route('/', descriptionRoutes(dependencies))
    .route(API, groupRoutes(dependencies))
    .route(API, upgradeStatusRoutes(dependencies))
    .route(API, configurationRoutes(dependencies, bodies))
    .route(API, staleInsightRoutes(dependencies));
  const withLargeBodies = new Hono().route(API, verifyBackupRoutes(dependencies));
  const taking = { ...dependencies, admissions: new AdmissionQueue(dependencies.clock) };
  const leaderOnly = new Hono()
    .route(API, namespaceRoutes(dependencies))
    .route(API, clusterRoutes(taking))
    .route(API, shardRoutes(taking))
    .route(API, nodeRoutes(taking))
    .route(API, policyRoutes(dependencies))
    .route(API, spareRoutes(dependencies))
    .route(API, eventRoutes(dependencies))
    .route(API, webhookRoutes(dependencies))
    .route(API, migrationRoutes(dependencies))
    .route(API, scalingRoutes(taking))
    .route(API, groupChangeRoutes(dependencies))
    .route(API, upgradeRoutes(dependencies))
    .route(API, insightRoutes(dependencies))
    .route(API, checkRoutes(dependencies))
    .route(API, repairRoutes(dependencies))
    .route(API, backupRoutes(dependencies));
  const routes = new RouteIndex([...own.routes, ...withLargeBodies.routes, ...leaderOnly.routes]);
  const known: Hono = new Hono()
    .use(
      measureRequests({
        metrics: dependencies.metrics,
        clockMs: () => dependencies.clock.monotonicMs(),
        templateOf: (path) => routes.find(path)?.template ?? null,
      }),
    )
    .use(async (context, next) => {
      const { path, method } = context.req;
      const route = routes.find(path);
      if (route === null) throw new ApiError('unknownRoute', `there is no route ${excerpt(path)}`);
      if (!route.methods.includes(method)) {
        context.header('Allow', route.methods.join(', '));
        throw new ApiError('methodNotAllowed', `${excerpt(path)} takes ${route.methods.join(', ')}`);
      }
      await next();
    })
    .route('/', withLargeBodies)
    .use(limitDeclaredLength())
    .route('/', own)
    .use(redirectToLeader(dependencies))
    .use(bodies)
    .route('/', leaderOnly);
  known.onError((error, context) => {
    if (error instanceof ApiError) {
      // Certainly nothing happened: whoever leads now may be asked instead.
      const redirect = error.code === 'noLeader' ? redirectToSuccessor(context, dependencies.group) : null;
      if (redirect !== null) return redirect;
      if (error.status === 503 || error.status === 429) context.header('Retry-After', '1');
      return refuse(context, error.message, error.status);
    }
    if (error instanceof ClientLeftError) return new Response(null, { status: CLIENT_LEFT });
    dependencies.logger.error('api.failed', {
      method: context.req.method,
      path: context.req.path,
      error: error.stack ?? error.message,
    });
    const status: ContentfulStatusCode = 500;
    return refuse(context, 'internal error, see the log of this controller', status);
  });
  known.notFound((context) => refuse(context, `there is no route ${excerpt(context.req.path)}`, 404));
  return known;
}
